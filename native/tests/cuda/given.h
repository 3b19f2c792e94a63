// SPDX-License-Identifier: Apache-2.0
// What kernels of one call may touch: everything between the first and the last element of each of its tensors.
#pragma once

#include <algorithm>
#include <deque>
#include <span>

#include "device/cuda/host/simulator.h"
#include "device/device.h"
#include "device/layers.h"

namespace lvx::testing {

class Given {
 public:
  void tensor(const Bshd& x, std::int64_t batch, std::int64_t rows, std::int64_t heads, std::int64_t dim) {
    if (x.data == nullptr || batch * rows * heads * dim == 0) return;
    range(x.data,
          ((batch - 1) * x.batch_stride + (rows - 1) * x.row_stride + (heads - 1) * x.head_stride + dim) *
              size_of(x.dtype));
  }
  void rows(const Bhs& x, std::int64_t batch, std::int64_t heads, std::int64_t rows) {
    if (x.data == nullptr) return;
    if (batch * heads * rows == 0) return;
    range(x.data, ((batch - 1) * x.batch_stride + (heads - 1) * x.head_stride + rows) * size_of(x.dtype));
  }
  void bias(const Bias& x, const Problem& p) {
    if (!x.none()) tensor(as_bshd(x), p.batch, p.queries, p.query_heads, p.keys);
  }
  void visibility(const Visibility& x, std::int64_t batch, std::int64_t rows) {
    if (x.everything() || batch * rows * x.ranges == 0) return;
    range(
        reinterpret_cast<const std::byte*>(x.data),
        ((batch - 1) * x.batch_stride + (rows - 1) * x.row_stride + (x.ranges - 1) * x.range_stride + 2) * 4);
  }
  void range(const std::byte* data, std::int64_t bytes) {
    if (bytes > 0) ranges_.emplace_back(std::span(data, static_cast<std::size_t>(bytes)));
  }
  void queries(const Problem& p, const Bshd& x) { tensor(x, p.batch, p.queries, p.query_heads, p.head_dim); }
  void keys(const Problem& p, const Bshd& x) { tensor(x, p.batch, p.keys, p.key_heads, p.head_dim); }
  void sums(const Problem& p, const Bhs& x) { rows(x, p.batch, p.query_heads, p.queries); }

  void all(const Rows& x) {
    tensor({x.data, x.dtype, x.batch_stride, x.row_stride, 0}, x.batch, x.rows, 1, x.width);
  }
  void all(const Parameter& x) { tensor({x.data, x.dtype, 0, x.row_stride, 0}, 1, x.rows, 1, x.width); }
  void integers(const RowIntegers& x, std::int64_t batch, std::int64_t rows) {
    if (x.none() || batch * rows == 0) return;
    range(reinterpret_cast<const std::byte*>(x.data),
          ((batch - 1) * x.batch_stride + (rows - 1) * x.row_stride + 1) * 4);
  }

 private:
  std::deque<cuda::host::Registered> ranges_;
};

// Gives memory that holds NaN, so that what is read before it is written is seen.
inline void spoil(Given& given, std::span<std::byte> memory) {
  std::fill(memory.begin(), memory.end(), std::byte{0xff});
  given.range(memory.data(), static_cast<std::int64_t>(memory.size()));
}

// All that attention may touch; scratch is spoilt.
inline void give(Given& given, const ForwardArguments& a, std::span<std::byte> scratch) {
  given.queries(a.problem, a.q);
  given.keys(a.problem, a.k);
  given.keys(a.problem, a.v);
  given.queries(a.problem, a.out.o);
  given.sums(a.problem, a.out.lse);
  given.sums(a.problem, a.out.bias_max);
  given.bias(a.bias, a.problem);
  given.visibility(a.visibility, a.problem.batch, a.problem.queries);
  spoil(given, scratch);
}
inline void give(Given& given, const BackwardArguments& a, std::span<std::byte> scratch) {
  for (const Bshd* x : {&a.q, &a.d_o, &a.dq}) given.queries(a.problem, *x);
  for (const Bshd* x : {&a.k, &a.v, &a.dk, &a.dv}) given.keys(a.problem, *x);
  given.sums(a.problem, a.lse);
  given.sums(a.problem, a.delta);
  given.sums(a.problem, a.bias_max);
  given.bias(a.bias, a.problem);
  given.bias(a.d_bias, a.problem);
  given.visibility(a.visibility, a.problem.batch, a.problem.queries);
  spoil(given, scratch);
}

}  // namespace lvx::testing
