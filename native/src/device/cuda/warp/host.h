// SPDX-License-Identifier: Apache-2.0
// The primitives on the host. Each thread of a block is a fiber of the simulator, which checks every access.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "device/cuda/host/simulator.h"
#include "device/cuda/warp/types.h"

namespace lvx::cuda {

inline int thread_index() { return host::thread_index(); }
inline int lane() { return host::thread_index() % kWarp; }
inline int warp_index() { return host::thread_index() / kWarp; }
inline std::int64_t block_index() { return host::block_index(); }
inline SharedAddress shared_memory() { return {0}; }

template <typename T>
T load_shared(SharedAddress from) {
  T value;
  host::load_shared(from, &value, sizeof(T));
  return value;
}
template <typename T>
void store_shared(SharedAddress to, const T& value) {
  host::store_shared(to, &value, sizeof(T));
}

template <typename T>
T load_global(const T* from) {
  T value;
  host::load_global(from, &value, sizeof(T));
  return value;
}
template <typename T>
void store_global(T* to, const T& value) {
  host::store_global(to, &value, sizeof(T));
}

inline void copy_async(SharedAddress to, const void* from, bool live) { host::copy_async(to, from, live); }
inline void commit_copies() { host::commit_copies(); }
template <int kLeft>
void wait_for_copies() {
  host::wait_for_copies(kLeft);
}

inline void sync_block(host::Site site = host::Site::current()) { host::sync_block(site); }
inline void sync_warp(host::Site site = host::Site::current()) { host::sync_warp(site); }

template <typename T>
T shuffle(T value, int from, host::Site site = host::Site::current()) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = host::shuffle(bits, from, site);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
template <typename T>
T shuffle_xor(T value, int mask, host::Site site = host::Site::current()) {
  return cuda::shuffle(value, lane() ^ mask, site);  // qualified, because ADL on site would find std::shuffle
}
inline std::uint32_t ballot(bool vote, host::Site site = host::Site::current()) {
  return host::ballot(vote, site);
}

inline Matrices load_matrices(SharedAddress row, host::Site site = host::Site::current()) {
  return host::load_matrices(row, false, site);
}
inline Matrices load_matrices_transposed(SharedAddress row, host::Site site = host::Site::current()) {
  return host::load_matrices(row, true, site);
}

template <typename T>
void multiply_add(float (&c)[4], const Matrices& a, std::uint32_t b0, std::uint32_t b1,
                  host::Site site = host::Site::current()) {
  host::multiply_add(c, a, b0, b1, std::is_same_v<T, BFloat16> ? host::widen_bfloat16 : host::widen_float16,
                     site);
}

template <typename T>
Pair<T> pack(float first, float second) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return {to_bfloat16(first).bits | std::uint32_t{to_bfloat16(second).bits} << 16};
  } else {
    static_assert(std::is_same_v<T, Float16>);
    return {to_float16(first).bits | std::uint32_t{to_float16(second).bits} << 16};
  }
}
template <typename T>
float low(Pair<T> pair) {
  return to_float(T{static_cast<std::uint16_t>(pair.bits & 0xffffu)});
}
template <typename T>
float high(Pair<T> pair) {
  return to_float(T{static_cast<std::uint16_t>(pair.bits >> 16)});
}

inline float exp2_fast(float x) { return std::exp2(x); }
inline float exponential(float x) { return std::exp(x); }
inline double exponential(double x) { return std::exp(x); }
inline float logarithm(float x) { return std::log(x); }
inline double logarithm(double x) { return std::log(x); }
inline float hyperbolic_tangent(float x) { return std::tanh(x); }
inline double hyperbolic_tangent(double x) { return std::tanh(x); }
inline float error_complement(float x) { return std::erfc(x); }
inline double error_complement(double x) { return std::erfc(x); }
inline double square_root(double x) { return std::sqrt(x); }
inline void sine_and_cosine(double x, double& sine, double& cosine) {
  sine = std::sin(x);
  cosine = std::cos(x);
}

}  // namespace lvx::cuda
