// SPDX-License-Identifier: Apache-2.0
// Converts bfloat16 and IEEE binary16 to float, exactly, and float to them, rounding to nearest even.
// A NaN becomes a quiet NaN. Infinities and subnormals are preserved.
#pragma once

#include <bit>
#include <cstdint>

namespace lvx {

// Distinct storage types, so that functions can be overloaded on them. bits holds the value's bit pattern.
struct BFloat16 {
  std::uint16_t bits;
};
struct Float16 {
  std::uint16_t bits;
};

inline float to_float(BFloat16 value) { return std::bit_cast<float>(std::uint32_t{value.bits} << 16); }

inline float to_float(Float16 value) {
  const std::uint32_t sign = (std::uint32_t{value.bits} & 0x8000u) << 16;
  const std::uint32_t magnitude = (std::uint32_t{value.bits} & 0x7fffu) << 13;
  // Multiplying by 2^112 moves the exponent's bias from 15 to 127 and makes subnormals normal, exactly.
  std::uint32_t bits = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  if (magnitude >= 0x7c00u << 13) bits = magnitude | 0x7f800000u;
  return std::bit_cast<float>(bits | sign);
}

inline BFloat16 to_bfloat16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  // Adds half a unit in the last place, minus one if the result would be odd on a tie: rounds to even.
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return {static_cast<std::uint16_t>(nan ? (bits >> 16) | 0x40u : rounded)};
}

inline Float16 to_float16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t result;
  if (magnitude > 0x7f800000u) {
    result = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  } else if (magnitude >= 0x477ff000u) {  // 65520 and more round to infinity
    result = 0x7c00u;
  } else if (magnitude <
             0x38800000u) {  // below 2^-14: adding 0.5 lets the hardware round to multiples of 2^-24
    result = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  } else {
    result = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  }
  return {static_cast<std::uint16_t>(sign | result)};
}

}  // namespace lvx
