// SPDX-License-Identifier: Apache-2.0
#include "attention/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace lvx {
namespace {

// The value of a binary16 pattern by its definition.
double value_of_float16(unsigned bits) {
  const double sign = (bits & 0x8000u) != 0 ? -1 : 1;
  const int exponent = static_cast<int>(bits >> 10 & 31u);
  const double fraction = bits & 1023u;
  if (exponent == 31) return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  return exponent == 0 ? sign * std::ldexp(fraction, -24) : sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Half, EveryFloat16PatternMeansWhatItIsDefinedToMean) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const double expected = value_of_float16(bits);
    const float actual = to_float(Float16{static_cast<std::uint16_t>(bits)});
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(actual)) << bits;
      EXPECT_TRUE(std::isnan(to_float(to_float16(actual)))) << bits;
    } else {
      EXPECT_EQ(actual, expected) << bits;
      EXPECT_EQ(to_float16(actual).bits, bits);
    }
  }
}

TEST(Half, EveryBFloat16PatternComesBack) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = to_float(BFloat16{static_cast<std::uint16_t>(bits)});
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(to_bfloat16(value)))) << bits;
    } else {
      EXPECT_EQ(to_bfloat16(value).bits, bits);
    }
  }
}

// Between two adjacent values: just below the midpoint, the midpoint itself, just above.
template <typename Half, typename Round>
void expect_nearest_even(unsigned low, Round round) {
  const float a = to_float(Half{static_cast<std::uint16_t>(low)});
  const float b = to_float(Half{static_cast<std::uint16_t>(low + 1)});
  const float middle = static_cast<float>((static_cast<double>(a) + b) / 2);
  EXPECT_EQ(round(middle).bits, low % 2 == 0 ? low : low + 1) << low;
  EXPECT_EQ(round(std::nextafter(middle, a)).bits, low);
  EXPECT_EQ(round(std::nextafter(middle, b)).bits, low + 1);
  EXPECT_EQ(round(-middle).bits, (low % 2 == 0 ? low : low + 1) | 0x8000u);
}

TEST(Half, RoundsToNearestEven) {
  for (unsigned low = 0; low < 0x7bffu; ++low) expect_nearest_even<Float16>(low, to_float16);
  for (unsigned low = 0x80u; low < 0x7f7fu; ++low) expect_nearest_even<BFloat16>(low, to_bfloat16);
}

TEST(Half, OverflowsToInfinityWhereRoundingDoes) {
  EXPECT_EQ(to_float16(65519.996f).bits, 0x7bffu);
  EXPECT_EQ(to_float16(65520.0f).bits, 0x7c00u);
  EXPECT_EQ(to_float16(std::numeric_limits<float>::infinity()).bits, 0x7c00u);
  EXPECT_EQ(to_float16(-std::numeric_limits<float>::infinity()).bits, 0xfc00u);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::max()).bits, 0x7f80u);
  EXPECT_EQ(to_bfloat16(-std::numeric_limits<float>::infinity()).bits, 0xff80u);
}

TEST(Half, NansStayNans) {
  for (const std::uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fffffffu, 0x7fc00000u}) {
    const float nan = std::bit_cast<float>(bits);
    EXPECT_TRUE(std::isnan(to_float(to_bfloat16(nan))));
    EXPECT_TRUE(std::isnan(to_float(to_float16(nan))));
  }
}

}  // namespace
}  // namespace lvx
