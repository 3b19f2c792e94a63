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
    throw ArgumentError(LVX_INVALID_ARGUMENT, "q",
                        std::string("expected dtype float64, got ") + name_of(dtype));
  }
}

void require_bias_rows(const Bias& bias, std::int64_t queries) {
  if (!bias.none() && bias.rows != 1 && bias.rows != queries) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "bias",
                        "expected 1 or " + std::to_string(queries) + " rows, one for each query, got " +
                            std::to_string(bias.rows));
  }
}

// The oracle clears what its queries reach; without queries, a broadcast gradient has elements all the same.
void zero_d_bias(const BackwardCall& call) {
  if (call.d_bias.none()) return;
  const Bias& bias = call.d_bias;
  for (std::int64_t item = 0; item < bias.batch; ++item) {
    for (std::int64_t head = 0; head < bias.heads; ++head) {
      for (std::int64_t row = 0; row < bias.rows; ++row) {
        std::fill_n(reinterpret_cast<double*>(bias.at(item, head, row, 0)), bias.keys, 0.0);
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
    const ForwardCall in = check_forward({q, k, v, visibility, bias, o, lse}, scale, DeviceId{});
    require_float64(in.q.dtype);
    require_bias_rows(in.bias, in.shape.queries);
    reference_forward({in.shape, in.q, in.k, in.v, in.visibility, in.bias, in.o, in.lse, in.lse_terms});
  });
}

lvx_status lvx_reference_backward(double scale, const lvx_tensor* q, const lvx_tensor* k, const lvx_tensor* v,
                                  const lvx_tensor* visibility, const lvx_tensor* bias, const lvx_tensor* o,
                                  const lvx_tensor* lse, const lvx_tensor* d_o, const lvx_tensor* dq,
                                  const lvx_tensor* dk, const lvx_tensor* dv, const lvx_tensor* dbias) {
  return guard([&] {
    require_finite_scale(scale, "scale");
    const BackwardCall in =
        check_backward({q, k, v, visibility, bias, o, lse, d_o, dq, dk, dv, dbias}, scale, DeviceId{});
    require_float64(in.q.dtype);
    require_bias_rows(in.bias, in.shape.queries);
    zero_d_bias(in);
    reference_backward({in.shape, in.q, in.k, in.v, in.o, in.d_o, in.lse, in.visibility, in.bias, in.dq,
                        in.dk, in.dv, in.d_bias, in.lse_terms});
  });
}
