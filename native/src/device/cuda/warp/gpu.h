// SPDX-License-Identifier: Apache-2.0
// The primitives on the GPU: sm_80 and later.
#pragma once

#include <type_traits>

#include "device/cuda/warp/types.h"

namespace lvx::cuda {

extern __shared__ Chunk dynamic_shared[];

LVX_GPU int thread_index() { return static_cast<int>(threadIdx.x); }
LVX_GPU int lane() { return static_cast<int>(threadIdx.x) % kWarp; }
LVX_GPU int warp_index() { return static_cast<int>(threadIdx.x) / kWarp; }
LVX_GPU std::int64_t block_index() { return static_cast<std::int64_t>(blockIdx.x); }

// The block's dynamic shared memory.
LVX_GPU SharedAddress shared_memory() {
  return {static_cast<std::uint32_t>(__cvta_generic_to_shared(dynamic_shared))};
}

template <typename T>
LVX_GPU T load_shared(SharedAddress from) {
  return *static_cast<const T*>(__cvta_shared_to_generic(from.offset));
}
template <typename T>
LVX_GPU void store_shared(SharedAddress to, const T& value) {
  *static_cast<T*>(__cvta_shared_to_generic(to.offset)) = value;
}

template <typename T>
LVX_GPU T load_global(const T* from) {
  return *from;
}
template <typename T>
LVX_GPU void store_global(T* to, const T& value) {
  *to = value;
}

LVX_GPU void copy_async(SharedAddress to, const void* from, bool live) {
  const int bytes = live ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to.offset), "l"(from), "r"(bytes)
               : "memory");
}
LVX_GPU void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kLeft>
LVX_GPU void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

LVX_GPU void sync_block() { __syncthreads(); }
LVX_GPU void sync_warp() { __syncwarp(); }

template <typename T>
LVX_GPU T shuffle(T value, int from) {
  return __shfl_sync(0xffffffffu, value, from);
}
template <typename T>
LVX_GPU T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
LVX_GPU std::uint32_t ballot(bool vote) { return __ballot_sync(0xffffffffu, vote); }

LVX_GPU Matrices load_matrices(SharedAddress row) {
  Matrices m;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m.parts[0]), "=r"(m.parts[1]), "=r"(m.parts[2]), "=r"(m.parts[3])
               : "r"(row.offset)
               : "memory");
  return m;
}
LVX_GPU Matrices load_matrices_transposed(SharedAddress row) {
  Matrices m;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m.parts[0]), "=r"(m.parts[1]), "=r"(m.parts[2]), "=r"(m.parts[3])
               : "r"(row.offset)
               : "memory");
  return m;
}

template <typename T>
LVX_GPU void multiply_add(float (&c)[4], const Matrices& a, std::uint32_t b0, std::uint32_t b1) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a.parts[0]), "r"(a.parts[1]), "r"(a.parts[2]), "r"(a.parts[3]), "r"(b0), "r"(b1));
  } else {
    static_assert(std::is_same_v<T, Float16>);
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a.parts[0]), "r"(a.parts[1]), "r"(a.parts[2]), "r"(a.parts[3]), "r"(b0), "r"(b1));
  }
}

template <typename T>
LVX_GPU Pair<T> pack(float first, float second) {
  Pair<T> pair;
  if constexpr (std::is_same_v<T, BFloat16>) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair.bits) : "f"(second), "f"(first));
  } else {
    static_assert(std::is_same_v<T, Float16>);
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair.bits) : "f"(second), "f"(first));
  }
  return pair;
}

template <typename T>
LVX_GPU float low(Pair<T> pair) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return __uint_as_float(pair.bits << 16);
  } else {
    static_assert(std::is_same_v<T, Float16>);
    float value;
    asm("{.reg .b16 l, h; mov.b32 {l, h}, %1; cvt.f32.f16 %0, l;}" : "=f"(value) : "r"(pair.bits));
    return value;
  }
}
template <typename T>
LVX_GPU float high(Pair<T> pair) {
  return low(Pair<T>{pair.bits >> 16});
}

LVX_GPU float exp2_fast(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
LVX_GPU float exponential(float x) { return expf(x); }
LVX_GPU double exponential(double x) { return exp(x); }
LVX_GPU float logarithm(float x) { return logf(x); }
LVX_GPU double logarithm(double x) { return log(x); }
LVX_GPU float hyperbolic_tangent(float x) { return tanhf(x); }
LVX_GPU double hyperbolic_tangent(double x) { return tanh(x); }
LVX_GPU float error_complement(float x) { return erfcf(x); }
LVX_GPU double error_complement(double x) { return erfc(x); }
LVX_GPU double square_root(double x) { return sqrt(x); }
LVX_GPU void sine_and_cosine(double x, double& sine, double& cosine) { sincos(x, &sine, &cosine); }

}  // namespace lvx::cuda
