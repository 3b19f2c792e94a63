// SPDX-License-Identifier: Apache-2.0
#include "abi/attention_check.h"

#include <cmath>
#include <string>

#include "abi/overlap.h"
#include "attention/elements.h"

namespace lvx {
namespace {

constexpr const char* kBshd = "[batch, sequence, heads, headDim]";
constexpr const char* kBhs = "[batch, heads, sequence]";
constexpr const char* kLse = "[batch, heads, sequence] or [3, batch, heads, sequence]";
// lse in one term is rejected beyond this: float32 is coarser than 2^-12 there.
constexpr double kLargestLse = 4096;
constexpr const char* kVisibility = "[batch, queries, ranges, 2]";
constexpr const char* kBias = "[batch or 1, heads or 1, queries or 1, keys]";

CheckedTensor check_bshd(const lvx_tensor* tensor, const char* name, const DeviceId& device_id) {
  return check_tensor(tensor, name, 4, kBshd, device_id);
}

void require_float(const CheckedTensor& tensor) {
  require_dtype(tensor, {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16},
                "of attention");
}

void require_heads(const CheckedTensor& tensor) {
  if (tensor.shape[2] < 1) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, tensor.name, "expected at least 1 head, got 0");
  }
  const std::int64_t head_dim = tensor.shape[3];
  if (head_dim < 8 || head_dim > 256 || head_dim % 8 != 0) {
    throw ArgumentError(
        LVX_INVALID_ARGUMENT, tensor.name,
        "expected a headDim that is a multiple of 8 from 8 to 256, got " + std::to_string(head_dim));
  }
}

void require_like(const CheckedTensor& tensor, const CheckedTensor& model, const char* why) {
  require_shape(tensor, std::span(model.shape).first(static_cast<std::size_t>(model.ndim)), why);
  require_dtype(tensor, {model.dtype}, why);
}

// A tensor shaped like lse: one number for each head and query.
CheckedTensor check_row_values(const lvx_tensor* tensor, const char* name, const CheckedTensor& rows,
                               const char* why, const DeviceId& device_id) {
  const CheckedTensor checked = check_tensor(tensor, name, 3, kBhs, device_id);
  require_shape(checked, {rows.shape[0], rows.shape[2], rows.shape[1]}, why);
  require_dtype(checked, {accumulator_of(rows.dtype)}, why);
  return checked;
}

// lse alone, or with its two terms.
CheckedTensor check_lse(const lvx_tensor* tensor, const char* name, const CheckedTensor& rows,
                        const char* why, const DeviceId& device_id) {
  if (tensor == nullptr || tensor->ndim != 4) return check_row_values(tensor, name, rows, why, device_id);
  const CheckedTensor checked = check_tensor(tensor, name, 4, kLse, device_id);
  require_shape(checked, {3, rows.shape[0], rows.shape[2], rows.shape[1]}, why);
  require_dtype(checked, {accumulator_of(rows.dtype)}, why);
  return checked;
}

bool has_terms(const CheckedTensor& lse) { return lse.ndim == 4; }

// lse, bias_max or rest.
Bhs part_of_lse(const CheckedTensor& lse, std::int64_t part) {
  if (!has_terms(lse)) return bhs_of(lse);
  const std::int64_t offset = lse.empty() ? 0 : part * lse.strides[0] * size_of(lse.dtype);
  return {lse.data + offset, lse.dtype,      lse.shape[1],  lse.shape[2],
          lse.shape[3],      lse.strides[1], lse.strides[2]};
}

LseTerms terms_of_lse(const CheckedTensor& lse) {
  return has_terms(lse) ? LseTerms{part_of_lse(lse, 1), part_of_lse(lse, 2)} : LseTerms{};
}

Partial partial_of(const CheckedTensor& o, const CheckedTensor& lse) {
  if (!has_terms(lse)) return {bshd_of(o), bhs_of(lse)};
  return {bshd_of(o), part_of_lse(lse, 2), part_of_lse(lse, 1)};
}

// A bias of that size on all keys of a row rounds off the rest of lse, which gradients need.
void require_exact_lse(const CheckedTensor& lse) {
  const Bhs values = bhs_of(lse);
  for (std::int64_t batch = 0; batch < lse.shape[0]; ++batch) {
    for (std::int64_t head = 0; head < lse.shape[1]; ++head) {
      for (std::int64_t row = 0; row < lse.shape[2]; ++row) {
        const auto value = load_element<double>(values.at(batch, head, row), values.dtype, 0);
        if (!std::isfinite(value) || std::abs(value) <= kLargestLse) continue;
        throw ArgumentError(
            LVX_INVALID_ARGUMENT, "lse",
            "expected [3, batch, heads, sequence], lse with its terms, where a bias makes lse as "
            "large as " +
                std::to_string(value) + "; got lse alone, which is rounded too coarsely for gradients");
      }
    }
  }
}

OptionalTensor check_visibility(const lvx_tensor* tensor, const CheckedTensor& q, const DeviceId& device_id) {
  if (tensor == nullptr) return std::nullopt;
  OptionalTensor checked = check_tensor(tensor, "visibility", 4, kVisibility, device_id);
  require_shape(*checked, {q.shape[0], q.shape[1], checked->shape[2], 2}, "[batch, queries, any, 2] of q");
  require_dtype(*checked, {DType::kInt32}, "of ranges");
  if (device_id.kind == LVX_CPU) check_ranges(*checked);
  return checked;
}

// Only the announcements tell how many queries the group has, so the bias's rows are checked there.
OptionalTensor check_bias(const lvx_tensor* tensor, const CheckedTensor& q, std::int64_t keys,
                          const DeviceId& device_id) {
  if (tensor == nullptr) return std::nullopt;
  OptionalTensor checked = check_tensor(tensor, "bias", 4, kBias, device_id);
  const std::int64_t batch = checked->shape[0] == 1 ? 1 : q.shape[0];
  const std::int64_t heads = checked->shape[1] == 1 ? 1 : q.shape[2];
  require_shape(*checked, {batch, heads, checked->shape[2], keys},
                "[batch or 1, heads of q or 1, queries or 1, keys]");
  if (q.dtype == DType::kFloat64) {
    require_dtype(*checked, {DType::kFloat64}, "like q");
  } else {
    require_dtype(*checked, {q.dtype, DType::kFloat32}, "like q or float32");
  }
  return checked;
}

struct CheckedKeys {
  CheckedTensor k, v;
};

CheckedKeys check_keys(const CheckedTensor& q, const lvx_tensor* k, const lvx_tensor* v,
                       const DeviceId& device_id) {
  CheckedKeys keys;
  keys.k = check_bshd(k, "k", device_id);
  require_heads(keys.k);
  require_shape(keys.k, {q.shape[0], keys.k.shape[1], keys.k.shape[2], q.shape[3]},
                "(batch and headDim like q)");
  require_dtype(keys.k, {q.dtype}, "like q");
  require_head_groups(q, keys.k.shape[2], "k");
  keys.v = check_bshd(v, "v", device_id);
  require_like(keys.v, keys.k, "like k");
  return keys;
}

// Fills what ForwardCall and BackwardCall have in common.
template <typename Call>
void take_queries(const CheckedQueries& in, Call& out) {
  out.shape = in.shape;
  out.q = bshd_of(in.q);
  out.o = bshd_of(in.o);
  out.lse = part_of_lse(in.lse, 0);
  out.lse_terms = terms_of_lse(in.lse);
  if (in.visibility) out.visibility = visibility_of(*in.visibility);
  if (in.bias) out.bias = bias_of(*in.bias);
}

}  // namespace

void require_finite_scale(double scale, const char* name) {
  if (!std::isfinite(scale)) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, name, "expected a finite number, got " + std::to_string(scale));
  }
}

CheckedTensor check_q(const lvx_tensor* q, const DeviceId& device_id) {
  CheckedTensor checked = check_bshd(q, "q", device_id);
  require_float(checked);
  require_heads(checked);
  return checked;
}

void require_head_groups(const CheckedTensor& q, std::int64_t key_heads, const char* name) {
  if (q.shape[2] % key_heads == 0) return;
  throw ArgumentError(LVX_INVALID_ARGUMENT, name,
                      "expected a number of heads that divides the " + std::to_string(q.shape[2]) +
                          " heads of q, got " + std::to_string(key_heads));
}

CheckedQueries check_queries(const CheckedTensor& q, const QueryTensors& tensors, std::int64_t keys,
                             std::int64_t key_heads, double scale, const DeviceId& device_id) {
  CheckedQueries in;
  in.q = q;
  in.visibility = check_visibility(tensors.visibility, q, device_id);
  in.bias = check_bias(tensors.bias, q, keys, device_id);
  in.o = check_bshd(tensors.o, "o", device_id);
  require_like(in.o, q, "like q");
  in.lse = check_lse(tensors.lse, "lse", q, "[batch, heads, queries] of q", device_id);
  in.shape.batch = q.shape[0];
  in.shape.queries = q.shape[1];
  in.shape.keys = keys;
  in.shape.query_heads = q.shape[2];
  in.shape.key_heads = key_heads;
  in.shape.head_dim = q.shape[3];
  in.shape.scale = scale;
  return in;
}

CheckedQueryGradients check_query_gradients(const CheckedQueries& queries, const lvx_tensor* d_o,
                                            const lvx_tensor* dq, const lvx_tensor* dbias,
                                            const DeviceId& device_id) {
  if (queries.bias && !has_terms(queries.lse) && device_id.kind == LVX_CPU) require_exact_lse(queries.lse);
  CheckedQueryGradients gradients;
  gradients.d_o = check_bshd(d_o, "d_o", device_id);
  require_like(gradients.d_o, queries.q, "like q");
  gradients.dq = check_bshd(dq, "dq", device_id);
  require_like(gradients.dq, queries.q, "like q");
  if (dbias == nullptr) return gradients;
  if (!queries.bias) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "dbias", "expected null where bias is null, got a tensor");
  }
  gradients.dbias = check_tensor(dbias, "dbias", 4, kBias, device_id);
  require_like(*gradients.dbias, *queries.bias, "like bias");
  return gradients;
}

ForwardCall forward_of(const CheckedQueries& queries) {
  ForwardCall call;
  take_queries(queries, call);
  return call;
}

BackwardCall backward_of(const CheckedQueries& queries, const CheckedQueryGradients& gradients) {
  BackwardCall call;
  take_queries(queries, call);
  call.d_o = bshd_of(gradients.d_o);
  call.dq = bshd_of(gradients.dq);
  if (gradients.dbias) call.d_bias = bias_of(*gradients.dbias);
  return call;
}

ForwardCall check_forward(const ForwardTensors& tensors, double scale, const DeviceId& device_id) {
  const CheckedTensor q = check_q(tensors.q, device_id);
  const CheckedKeys keys = check_keys(q, tensors.k, tensors.v, device_id);
  const CheckedQueries in = check_queries(q, {tensors.visibility, tensors.bias, tensors.o, tensors.lse},
                                          keys.k.shape[1], keys.k.shape[2], scale, device_id);
  require_separate({&in.o, &in.lse},
                   {&in.q, &keys.k, &keys.v, pointer_to(in.visibility), pointer_to(in.bias)});
  ForwardCall call = forward_of(in);
  call.k = bshd_of(keys.k);
  call.v = bshd_of(keys.v);
  return call;
}

BackwardCall check_backward(const BackwardTensors& tensors, double scale, const DeviceId& device_id) {
  const CheckedTensor q = check_q(tensors.q, device_id);
  const CheckedKeys keys = check_keys(q, tensors.k, tensors.v, device_id);
  const CheckedQueries in = check_queries(q, {tensors.visibility, tensors.bias, tensors.o, tensors.lse},
                                          keys.k.shape[1], keys.k.shape[2], scale, device_id);
  const CheckedQueryGradients gradients =
      check_query_gradients(in, tensors.d_o, tensors.dq, tensors.dbias, device_id);
  const CheckedTensor dk = check_bshd(tensors.dk, "dk", device_id);
  require_like(dk, keys.k, "like k");
  const CheckedTensor dv = check_bshd(tensors.dv, "dv", device_id);
  require_like(dv, keys.v, "like v");
  require_separate({&gradients.dq, &dk, &dv, pointer_to(gradients.dbias)},
                   {&in.q, &keys.k, &keys.v, pointer_to(in.visibility), pointer_to(in.bias), &in.o, &in.lse,
                    &gradients.d_o});
  BackwardCall call = backward_of(in, gradients);
  call.k = bshd_of(keys.k);
  call.v = bshd_of(keys.v);
  call.dk = bshd_of(dk);
  call.dv = bshd_of(dv);
  return call;
}

CheckedMerge check_merge(const lvx_tensor* o_part, const lvx_tensor* lse_part, const lvx_tensor* o,
                         const lvx_tensor* lse, const DeviceId& device_id) {
  const CheckedTensor part = check_bshd(o_part, "o_part", device_id);
  require_float(part);
  require_heads(part);
  const CheckedTensor part_lse =
      check_lse(lse_part, "lse_part", part, "[batch, heads, queries] of the part's o", device_id);
  const CheckedTensor into = check_bshd(o, "o", device_id);
  require_float(into);
  require_shape(into, part.shape, "like the part's o");
  const CheckedTensor into_lse = check_lse(lse, "lse", into, "[batch, heads, queries] of o", device_id);
  if (has_terms(part_lse) && !has_terms(into_lse)) {
    throw ArgumentError(
        LVX_INVALID_ARGUMENT, "lse",
        "expected [3, batch, heads, sequence], lse with its terms, like the part's lse; got lse alone");
  }
  require_separate({&into, &into_lse}, {&part, &part_lse});
  return {partial_of(part, part_lse), partial_of(into, into_lse), part_of_lse(into_lse, 0)};
}

CheckedDelta check_delta(const lvx_tensor* o, const lvx_tensor* d_o, const lvx_tensor* delta,
                         const DeviceId& device_id) {
  const CheckedTensor output = check_bshd(o, "o", device_id);
  require_float(output);
  require_heads(output);
  const CheckedTensor gradient = check_bshd(d_o, "d_o", device_id);
  require_like(gradient, output, "like o");
  const CheckedTensor sums =
      check_row_values(delta, "delta", output, "[batch, heads, queries] of o", device_id);
  require_separate({&sums}, {&output, &gradient});
  return {bshd_of(output), bshd_of(gradient), bhs_of(sums)};
}

}  // namespace lvx
