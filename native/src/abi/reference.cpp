// SPDX-License-Identifier: Apache-2.0
// The oracle behind the C ABI.
#include "attention/reference.h"

#include <algorithm>

#include "abi/attention_check.h"
#include "abi/error.h"

using namespace lvx;

namespace {

void require_float64(DType dtype) {
  if (dtype != DType::kFloat64) {
    throw Error(LVX_INVALID_ARGUMENT, std::string("q: expected dtype float64, got ") + name_of(dtype));
  }
}

void require_bias_rows(const Bias& bias, std::int64_t rows, std::int64_t queries) {
  if (!bias.none() && rows != 1 && rows != queries) {
    throw Error(LVX_INVALID_ARGUMENT, "bias: expected 1 or " + std::to_string(queries) +
                                          " rows, one for each query, got " + std::to_string(rows));
  }
}

// The oracle clears what its queries reach; without queries, a broadcast gradient has elements all the same.
void zero_d_bias(const AttentionBackward& arguments) {
  if (arguments.d_bias.none()) return;
  const Bias& bias = arguments.d_bias;
  for (std::int64_t batch = 0; batch < arguments.bias_extents.batch; ++batch) {
    for (std::int64_t head = 0; head < arguments.bias_extents.heads; ++head) {
      for (std::int64_t row = 0; row < arguments.bias_extents.rows; ++row) {
        auto* values = reinterpret_cast<double*>(bias.data) + batch * bias.batch_stride +
                       head * bias.head_stride + row * bias.row_stride;
        std::fill_n(values, arguments.problem.keys, 0.0);
      }
    }
  }
}

}  // namespace

lvx_status lvx_reference_forward(double scale, const lvx_tensor* q, const lvx_tensor* k, const lvx_tensor* v,
                                 const lvx_tensor* visibility, const lvx_tensor* bias, const lvx_tensor* o,
                                 const lvx_tensor* lse) {
  return guard([&] {
    require_finite_scale(scale, "scale");
    const AttentionForward in = check_forward({q, k, v, visibility, bias, o, lse}, scale, Place{});
    require_float64(in.q.dtype);
    require_bias_rows(in.bias, in.bias_extents.rows, in.problem.queries);
    reference_forward({in.problem, in.q, in.k, in.v, in.visibility, in.bias, in.o, in.lse, in.lse_terms});
  });
}

lvx_status lvx_reference_backward(double scale, const lvx_tensor* q, const lvx_tensor* k, const lvx_tensor* v,
                                  const lvx_tensor* visibility, const lvx_tensor* bias, const lvx_tensor* o,
                                  const lvx_tensor* lse, const lvx_tensor* d_o, const lvx_tensor* dq,
                                  const lvx_tensor* dk, const lvx_tensor* dv, const lvx_tensor* dbias) {
  return guard([&] {
    require_finite_scale(scale, "scale");
    const AttentionBackward in =
        check_backward({q, k, v, visibility, bias, o, lse, d_o, dq, dk, dv, dbias}, scale, Place{});
    require_float64(in.q.dtype);
    require_bias_rows(in.bias, in.bias_extents.rows, in.problem.queries);
    zero_d_bias(in);
    reference_backward({in.problem, in.q, in.k, in.v, in.o, in.d_o, in.lse, in.visibility, in.bias, in.dq,
                        in.dk, in.dv, in.d_bias, in.lse_terms});
  });
}
