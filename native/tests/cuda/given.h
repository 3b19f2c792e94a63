// SPDX-License-Identifier: Apache-2.0
// The memory that the kernels of one call may access: everything between the first and the last element of each tensor.
#pragma once

#include <algorithm>
#include <deque>
#include <span>
#include <utility>

#include "device/cuda/host/simulator.h"
#include "device/device.h"
#include "device/extents.h"
#include "device/layers.h"

namespace lvx::testing {

class Given {
 public:
  void tensor(const Bshd& x) {
    if (x.data == nullptr || x.elements() == 0) return;
    range(x.data, ((x.batch - 1) * x.batch_stride + (x.rows - 1) * x.row_stride +
                   (x.heads - 1) * x.head_stride + x.dim) *
                      size_of(x.dtype));
  }
  void rows(const Bhs& x) { tensor(as_bshd(x)); }
  void bias(const Bias& x) { tensor(as_bshd(x)); }
  void visibility(const Visibility& x) {
    if (x.everything() || x.batch * x.rows * x.ranges == 0) return;
    range(
        reinterpret_cast<const std::byte*>(x.data),
        ((x.batch - 1) * x.batch_stride + (x.rows - 1) * x.row_stride + (x.ranges - 1) * x.range_stride + 2) *
            4);
  }
  void range(const std::byte* data, std::int64_t bytes) {
    if (bytes > 0) ranges_.emplace_back(std::span(data, static_cast<std::size_t>(bytes)));
  }
  void all(const Rows& x) {
    tensor({x.data, x.dtype, x.batch, x.rows, 1, x.width, x.batch_stride, x.row_stride, 0});
  }
  void all(const Parameter& x) { tensor({x.data, x.dtype, 1, x.rows, 1, x.width, 0, x.row_stride, 0}); }
  void integers(const RowIntegers& x, std::int64_t batch, std::int64_t rows) {
    if (x.none() || batch * rows == 0) return;
    range(reinterpret_cast<const std::byte*>(x.data),
          ((batch - 1) * x.batch_stride + (rows - 1) * x.row_stride + 1) * 4);
  }

 private:
  std::deque<cuda::host::Registered> ranges_;
};

// Registers memory and fills it with NaN, so that reads of unwritten memory are detected.
inline void spoil(Given& given, std::span<std::byte> memory) {
  std::fill(memory.begin(), memory.end(), std::byte{0xff});
  given.range(memory.data(), static_cast<std::int64_t>(memory.size()));
}

// All memory that attention may access, of views that may hold more rows than the problem. Scratch is filled with NaN.
template <typename Problem>
void give_shared(Given& given, const Problem& a) {
  const auto [queries, keys] = std::pair(a.shape.queries, a.shape.keys);
  given.tensor(a.q.row_range(0, queries));
  for (const Bshd* x : {&a.k, &a.v}) given.tensor(x->row_range(0, keys));
  given.bias(a.bias.row_range(0, queries).key_range(0, keys));
  given.visibility(a.visibility.row_range(0, queries));
}
inline void give(Given& given, const ForwardProblem& a, std::span<std::byte> scratch) {
  require_extents_of_problem(a);
  give_shared(given, a);
  given.tensor(a.out.o.row_range(0, a.shape.queries));
  for (const Bhs* x : {&a.out.lse, &a.out.bias_max}) given.rows(x->row_range(0, a.shape.queries));
  spoil(given, scratch);
}
inline void give(Given& given, const BackwardProblem& a, std::span<std::byte> scratch) {
  require_extents_of_problem(a);
  give_shared(given, a);
  const auto [queries, keys] = std::pair(a.shape.queries, a.shape.keys);
  for (const Bshd* x : {&a.d_o, &a.dq}) given.tensor(x->row_range(0, queries));
  for (const Bshd* x : {&a.dk, &a.dv}) given.tensor(x->row_range(0, keys));
  for (const Bhs* x : {&a.lse, &a.delta, &a.bias_max}) given.rows(x->row_range(0, queries));
  given.bias(a.d_bias.row_range(0, queries).key_range(0, keys));
  spoil(given, scratch);
}

}  // namespace lvx::testing
