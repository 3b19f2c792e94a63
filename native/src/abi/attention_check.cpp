// SPDX-License-Identifier: Apache-2.0
#include "abi/attention_check.h"

#include <cmath>
#include <optional>
#include <string>

#include "abi/overlap.h"

namespace lvx {
namespace {

constexpr const char* kBshd = "[batch, sequence, heads, headDim]";
constexpr const char* kBhs = "[batch, heads, sequence]";
constexpr const char* kVisibility = "[batch, queries, ranges, 2]";
constexpr const char* kBias = "[batch or 1, heads or 1, queries or 1, keys]";

using Optional = std::optional<CheckedTensor>;

const CheckedTensor* pointer_to(const Optional& tensor) { return tensor ? &*tensor : nullptr; }

CheckedTensor check_bshd(const lvx_tensor* tensor, const char* name, const Place& place) {
  return check_tensor(tensor, name, 4, kBshd, place);
}

void require_float(const CheckedTensor& tensor) {
  require_dtype(tensor, {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16},
                "of attention");
}

void require_heads(const CheckedTensor& tensor) {
  if (tensor.shape[2] < 1) {
    throw Error(LVX_INVALID_ARGUMENT, std::string(tensor.name) + ": expected at least 1 head, got 0");
  }
  const std::int64_t head_dim = tensor.shape[3];
  if (head_dim < 8 || head_dim > 256 || head_dim % 8 != 0) {
    throw Error(LVX_INVALID_ARGUMENT, std::string(tensor.name) +
                                          ": expected a headDim that is a multiple of 8 from 8 to 256, got " +
                                          std::to_string(head_dim));
  }
}

void require_like(const CheckedTensor& tensor, const CheckedTensor& model, const char* why) {
  require_shape(tensor, std::span(model.shape).first(static_cast<std::size_t>(model.ndim)), why);
  require_dtype(tensor, {model.dtype}, why);
}

// What has the shape of lse: one number for each query and head of rows.
CheckedTensor check_row_values(const lvx_tensor* tensor, const char* name, const CheckedTensor& rows,
                               const char* why, const Place& place) {
  const CheckedTensor checked = check_tensor(tensor, name, 3, kBhs, place);
  require_shape(checked, {rows.shape[0], rows.shape[2], rows.shape[1]}, why);
  require_dtype(checked, {accumulator_of(rows.dtype)}, why);
  return checked;
}

// The arguments that forward and backward share.
struct Inputs {
  CheckedTensor q, k, v;
  Optional visibility, bias;
  CheckedTensor o, lse;
  Problem problem;
};

Optional check_visibility(const lvx_tensor* tensor, const CheckedTensor& q, const Place& place) {
  if (tensor == nullptr) return std::nullopt;
  Optional checked = check_tensor(tensor, "visibility", 4, kVisibility, place);
  require_shape(*checked, {q.shape[0], q.shape[1], checked->shape[2], 2}, "[batch, queries, any, 2] of q");
  require_dtype(*checked, {DType::kInt32}, "of ranges");
  if (place.kind == LVX_CPU) check_ranges(*checked);
  return checked;
}

// The group's queries are known once its ranks have met, so its rows are checked there.
Optional check_bias(const lvx_tensor* tensor, const CheckedTensor& q, const CheckedTensor& k,
                    const Place& place) {
  if (tensor == nullptr) return std::nullopt;
  Optional checked = check_tensor(tensor, "bias", 4, kBias, place);
  const std::int64_t batch = checked->shape[0] == 1 ? 1 : q.shape[0];
  const std::int64_t heads = checked->shape[1] == 1 ? 1 : q.shape[2];
  require_shape(*checked, {batch, heads, checked->shape[2], k.shape[1]},
                "[batch or 1, heads of q or 1, queries or 1, keys of k]");
  if (q.dtype == DType::kFloat64) {
    require_dtype(*checked, {DType::kFloat64}, "like q");
  } else {
    require_dtype(*checked, {q.dtype, DType::kFloat32}, "like q or float32");
  }
  return checked;
}

Inputs check_inputs(const lvx_tensor* q, const lvx_tensor* k, const lvx_tensor* v,
                    const lvx_tensor* visibility, const lvx_tensor* bias, const lvx_tensor* o,
                    const lvx_tensor* lse, double scale, const Place& place) {
  Inputs in;
  in.q = check_bshd(q, "q", place);
  require_float(in.q);
  require_heads(in.q);
  in.k = check_bshd(k, "k", place);
  require_heads(in.k);
  require_shape(in.k, {in.q.shape[0], in.k.shape[1], in.k.shape[2], in.q.shape[3]},
                "(batch and headDim like q)");
  require_dtype(in.k, {in.q.dtype}, "like q");
  if (in.q.shape[2] % in.k.shape[2] != 0) {
    throw Error(LVX_INVALID_ARGUMENT, "k: expected a number of heads that divides the " +
                                          std::to_string(in.q.shape[2]) + " heads of q, got " +
                                          std::to_string(in.k.shape[2]));
  }
  in.v = check_bshd(v, "v", place);
  require_like(in.v, in.k, "like k");
  in.visibility = check_visibility(visibility, in.q, place);
  in.bias = check_bias(bias, in.q, in.k, place);
  in.o = check_bshd(o, "o", place);
  require_like(in.o, in.q, "like q");
  in.lse = check_row_values(lse, "lse", in.q, "[batch, heads, queries] of q", place);

  in.problem.batch = in.q.shape[0];
  in.problem.queries = in.q.shape[1];
  in.problem.keys = in.k.shape[1];
  in.problem.query_heads = in.q.shape[2];
  in.problem.key_heads = in.k.shape[2];
  in.problem.head_dim = in.q.shape[3];
  in.problem.scale = scale;
  return in;
}

// Fills what AttentionForward and AttentionBackward have in common.
template <typename Arguments>
void take_inputs(const Inputs& in, Arguments& out) {
  out.problem = in.problem;
  out.q = bshd_of(in.q);
  out.k = bshd_of(in.k);
  out.v = bshd_of(in.v);
  out.o = bshd_of(in.o);
  out.lse = bhs_of(in.lse);
  if (in.visibility) out.visibility = visibility_of(*in.visibility);
  if (in.bias) {
    out.bias = bias_of(*in.bias);
    out.bias_extents = {in.bias->shape[0], in.bias->shape[1], in.bias->shape[2]};
  }
}

Problem rows_of(const CheckedTensor& o) {
  Problem problem;
  problem.batch = o.shape[0];
  problem.queries = o.shape[1];
  problem.query_heads = o.shape[2];
  problem.key_heads = o.shape[2];
  problem.head_dim = o.shape[3];
  return problem;
}

}  // namespace

void require_finite_scale(double scale, const char* name) {
  if (!std::isfinite(scale)) {
    throw Error(LVX_INVALID_ARGUMENT,
                std::string(name) + ": expected a finite number, got " + std::to_string(scale));
  }
}

AttentionForward check_forward(const ForwardTensors& tensors, double scale, const Place& place) {
  const Inputs in = check_inputs(tensors.q, tensors.k, tensors.v, tensors.visibility, tensors.bias, tensors.o,
                                 tensors.lse, scale, place);
  require_separate({&in.o, &in.lse}, {&in.q, &in.k, &in.v, pointer_to(in.visibility), pointer_to(in.bias)});
  AttentionForward arguments;
  take_inputs(in, arguments);
  return arguments;
}

AttentionBackward check_backward(const BackwardTensors& tensors, double scale, const Place& place) {
  const Inputs in = check_inputs(tensors.q, tensors.k, tensors.v, tensors.visibility, tensors.bias, tensors.o,
                                 tensors.lse, scale, place);
  const CheckedTensor d_o = check_bshd(tensors.d_o, "d_o", place);
  require_like(d_o, in.q, "like q");
  const CheckedTensor dq = check_bshd(tensors.dq, "dq", place);
  require_like(dq, in.q, "like q");
  const CheckedTensor dk = check_bshd(tensors.dk, "dk", place);
  require_like(dk, in.k, "like k");
  const CheckedTensor dv = check_bshd(tensors.dv, "dv", place);
  require_like(dv, in.v, "like v");
  Optional dbias;
  if (tensors.dbias != nullptr) {
    if (!in.bias) throw Error(LVX_INVALID_ARGUMENT, "dbias: expected null where bias is null, got a tensor");
    dbias = check_tensor(tensors.dbias, "dbias", 4, kBias, place);
    require_like(*dbias, *in.bias, "like bias");
  }
  require_separate({&dq, &dk, &dv, pointer_to(dbias)}, {&in.q, &in.k, &in.v, pointer_to(in.visibility),
                                                        pointer_to(in.bias), &in.o, &in.lse, &d_o});
  AttentionBackward arguments;
  take_inputs(in, arguments);
  arguments.d_o = bshd_of(d_o);
  arguments.dq = bshd_of(dq);
  arguments.dk = bshd_of(dk);
  arguments.dv = bshd_of(dv);
  if (dbias) arguments.d_bias = bias_of(*dbias);
  return arguments;
}

MergeArguments check_merge(const lvx_tensor* o_part, const lvx_tensor* lse_part, const lvx_tensor* o,
                           const lvx_tensor* lse, const Place& place) {
  const CheckedTensor part = check_bshd(o_part, "o_part", place);
  require_float(part);
  require_heads(part);
  const CheckedTensor part_lse =
      check_row_values(lse_part, "lse_part", part, "[batch, heads, queries] of o_part", place);
  const CheckedTensor into = check_bshd(o, "o", place);
  require_float(into);
  require_shape(into, part.shape, "like o_part");
  const CheckedTensor into_lse = check_row_values(lse, "lse", into, "[batch, heads, queries] of o", place);
  require_separate({&into, &into_lse}, {&part, &part_lse});
  return {rows_of(part), {bshd_of(part), bhs_of(part_lse)}, {bshd_of(into), bhs_of(into_lse)}};
}

DeltaArguments check_delta(const lvx_tensor* o, const lvx_tensor* d_o, const lvx_tensor* delta,
                           const Place& place) {
  const CheckedTensor output = check_bshd(o, "o", place);
  require_float(output);
  require_heads(output);
  const CheckedTensor gradient = check_bshd(d_o, "d_o", place);
  require_like(gradient, output, "like o");
  const CheckedTensor sums = check_row_values(delta, "delta", output, "[batch, heads, queries] of o", place);
  require_separate({&sums}, {&output, &gradient});
  return {rows_of(output), bshd_of(output), bshd_of(gradient), bhs_of(sums)};
}

}  // namespace lvx
