// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/layers/cpu_layers.h"

#include "device/cpu/layers/activation.h"
#include "device/cpu/layers/gate.h"
#include "device/cpu/layers/linear.h"
#include "device/cpu/layers/norm.h"
#include "device/cpu/layers/product.h"
#include "device/cpu/layers/rotary.h"

namespace lvx {

// Scratch for converted tiles of half precision. Its size depends only on the number of threads.
std::size_t CpuLayers::linear_scratch(std::int64_t /*rows*/, std::int64_t /*in*/, std::int64_t /*out*/,
                                      DType dtype) const {
  return size_of(dtype) == 2 ? cpu::conversion_scratch(team_.threads()) : 0;
}

void CpuLayers::linear_forward(const Rows& x, const Parameter& w, const Parameter& b, const Rows& y,
                               std::span<std::byte> scratch) {
  cpu::linear_forward(team_, x, w, b, y, scratch);
}

void CpuLayers::linear_backward(const Rows& x, const Parameter& w, const Rows& dy, const Rows& dx,
                                bool add_dx, const Parameter& dw, const Parameter& db,
                                std::span<std::byte> scratch) {
  cpu::linear_backward(team_, x, w, dy, dx, add_dx, dw, db, scratch);
}

std::size_t CpuLayers::norm_scratch(std::int64_t width) const { return cpu::norm_scratch(width); }

void CpuLayers::norm_forward(const Norm& norm, const Bshd& x, const Bshd& y) {
  cpu::norm_forward(team_, norm, x, y);
}

void CpuLayers::norm_backward(const Norm& norm, const Bshd& x, const Bshd& dy, const Bshd& dx, bool add_dx,
                              const Parameter& dweight, const Parameter& dbias,
                              std::span<std::byte> scratch) {
  cpu::norm_backward(team_, norm, x, dy, dx, add_dx, dweight, dbias, scratch);
}

void CpuLayers::rotary(double theta, bool inverse, const Bshd& x, const RowIntegers& positions,
                       const Bshd& y) {
  cpu::rotary(team_, theta, inverse, x, positions, y);
}

void CpuLayers::swiglu_forward(const Rows& gate, const Rows& up, const Rows& y) {
  cpu::swiglu_forward(team_, gate, up, y);
}

void CpuLayers::swiglu_backward(const Rows& gate, const Rows& up, const Rows& dy, const Rows& dgate,
                                const Rows& dup) {
  cpu::swiglu_backward(team_, gate, up, dy, dgate, dup);
}

void CpuLayers::gelu_forward(const Rows& x, const Rows& y) { cpu::gelu_forward(team_, x, y); }

void CpuLayers::gelu_backward(const Rows& x, const Rows& dy, const Rows& dx) {
  cpu::gelu_backward(team_, x, dy, dx);
}

void CpuLayers::gated_add_forward(const Rows& x, const Rows& branch, const Parameter& gate,
                                  const RowIntegers& live, const Rows& y) {
  cpu::gated_add_forward(team_, x, branch, gate, live, y);
}

void CpuLayers::gated_add_backward(const Rows& branch, const Parameter& gate, const RowIntegers& live,
                                   const Rows& dy, const Rows& dbranch, const Parameter& dgate) {
  cpu::gated_add_backward(team_, branch, gate, live, dy, dbranch, dgate);
}

void CpuLayers::blend_forward(const Rows& a, const Rows& b, const Parameter& gate, const RowIntegers& live,
                              const Rows& y) {
  cpu::blend_forward(team_, a, b, gate, live, y);
}

void CpuLayers::blend_backward(const Rows& a, const Rows& b, const Parameter& gate, const RowIntegers& live,
                               const Rows& dy, const Rows& da, const Rows& db, const Parameter& dgate) {
  cpu::blend_backward(team_, a, b, gate, live, dy, da, db, dgate);
}

void CpuLayers::add(const Rows& x, const Rows& y) { cpu::add(team_, x, y); }

void CpuLayers::clear_rows(const RowIntegers& live, const Rows& x) { cpu::clear_rows(team_, live, x); }

}  // namespace lvx
