// SPDX-License-Identifier: Apache-2.0
#include "abi/overlap.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

#include "support/seed.h"

namespace lvx {
namespace {

alignas(64) std::byte g_memory[1 << 20];

// A view of shape and strides (in elements) that begins at an element of g_memory.
CheckedTensor view(const char* name, std::int64_t first, std::initializer_list<std::int64_t> shape,
                   std::initializer_list<std::int64_t> strides, DType dtype = DType::kFloat32) {
  CheckedTensor tensor;
  tensor.name = name;
  tensor.dtype = dtype;
  tensor.data = g_memory + first * size_of(dtype);
  tensor.ndim = static_cast<int>(shape.size());
  std::copy(shape.begin(), shape.end(), tensor.shape.begin());
  std::copy(strides.begin(), strides.end(), tensor.strides.begin());
  return tensor;
}

// [B, S, H, D] = [2, 5, 3, 8] throughout.
TEST(Overlap, CompactNeighboursAreApart) {
  const CheckedTensor a = view("a", 0, {2, 5, 3, 8}, {120, 24, 8, 1});
  EXPECT_FALSE(may_overlap(a, view("b", 240, {2, 5, 3, 8}, {120, 24, 8, 1})));
  EXPECT_TRUE(may_overlap(a, view("b", 239, {2, 5, 3, 8}, {120, 24, 8, 1})));
  EXPECT_TRUE(may_overlap(a, a));
}

TEST(Overlap, HalvesOfAFusedBufferAreApart) {
  // [B, S, 2, H, D]
  EXPECT_FALSE(may_overlap(view("dk", 0, {2, 5, 3, 8}, {240, 48, 8, 1}),
                           view("dv", 24, {2, 5, 3, 8}, {240, 48, 8, 1})));
  EXPECT_TRUE(may_overlap(view("dk", 0, {2, 5, 3, 8}, {240, 48, 8, 1}),
                          view("dv", 23, {2, 5, 3, 8}, {240, 48, 8, 1})));
  // [B, S, H, 2, D]
  EXPECT_FALSE(may_overlap(view("dk", 0, {2, 5, 3, 8}, {240, 48, 16, 1}),
                           view("dv", 8, {2, 5, 3, 8}, {240, 48, 16, 1})));
  EXPECT_TRUE(may_overlap(view("dk", 0, {2, 5, 3, 8}, {240, 48, 16, 1}),
                          view("dv", 9, {2, 5, 3, 8}, {240, 48, 16, 1})));
}

TEST(Overlap, SlicesOfAFusedQkvBufferAreApart) {
  // [B, S, Hq + 2 Hkv, D] with Hq = 6, Hkv = 2
  const CheckedTensor q = view("dq", 0, {2, 5, 6, 8}, {400, 80, 8, 1});
  const CheckedTensor k = view("dk", 48, {2, 5, 2, 8}, {400, 80, 8, 1});
  const CheckedTensor v = view("dv", 64, {2, 5, 2, 8}, {400, 80, 8, 1});
  EXPECT_FALSE(may_overlap(q, k));
  EXPECT_FALSE(may_overlap(k, v));
  EXPECT_FALSE(may_overlap(v, q));
  EXPECT_TRUE(may_overlap(view("dq", 0, {2, 5, 7, 8}, {400, 80, 8, 1}), k));
  EXPECT_NO_THROW(require_separate({&q, &k, &v}, {}));
}

TEST(Overlap, OneRowOfAFusedBuffer) {
  EXPECT_FALSE(may_overlap(view("dk", 0, {1, 1, 3, 8}, {16, 16, 16, 1}),
                           view("dv", 8, {1, 1, 3, 8}, {16, 16, 16, 1})));
}

TEST(Overlap, EvenAndOddRowsAreApart) {
  EXPECT_FALSE(
      may_overlap(view("a", 0, {2, 5, 3, 8}, {240, 48, 8, 1}), view("b", 24, {2, 4, 3, 8}, {240, 48, 8, 1})));
}

TEST(Overlap, DtypesMayDiffer) {
  const CheckedTensor floats = view("lse", 0, {2, 3, 5}, {15, 5, 1});
  EXPECT_TRUE(may_overlap(floats, view("o", 58, {1, 1, 1, 8}, {8, 8, 8, 1}, DType::kBFloat16)));
  EXPECT_FALSE(may_overlap(floats, view("o", 60, {1, 1, 1, 8}, {8, 8, 8, 1}, DType::kBFloat16)));
}

TEST(Overlap, EmptyTensorsOverlapNothing) {
  const CheckedTensor a = view("a", 0, {2, 5, 3, 8}, {120, 24, 8, 1});
  EXPECT_FALSE(may_overlap(a, view("b", 3, {2, 0, 3, 8}, {0, 24, 8, 1})));
  EXPECT_FALSE(overlaps_itself(view("b", 3, {2, 0, 3, 8}, {0, 0, 8, 1})));
}

TEST(Overlap, StrideZeroOverlapsItself) {
  EXPECT_TRUE(overlaps_itself(view("o", 0, {2, 5, 3, 8}, {0, 24, 8, 1})));
  EXPECT_TRUE(overlaps_itself(view("o", 0, {2, 5, 3, 8}, {120, 24, 4, 1})));
  EXPECT_FALSE(overlaps_itself(view("o", 0, {1, 5, 3, 8}, {0, 24, 8, 1})));
  EXPECT_FALSE(overlaps_itself(view("o", 0, {2, 5, 3, 8}, {24, 48, 8, 1})));  // transposed: [S, B, H, D]
}

TEST(Overlap, TheMessageNamesBoth) {
  const CheckedTensor dk = view("dk", 0, {2, 5, 3, 8}, {120, 24, 8, 1});
  const CheckedTensor dv = view("dv", 8, {2, 5, 3, 8}, {120, 24, 8, 1});
  try {
    require_separate({&dk, nullptr, &dv}, {nullptr});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), LVX_INVALID_ARGUMENT);
    EXPECT_STREQ(error.what(), "dv: expected memory of its own, got an overlap with dk");
  }
}

std::set<std::uintptr_t> addresses_of(const CheckedTensor& tensor, std::size_t* elements) {
  std::set<std::uintptr_t> addresses;
  *elements = 0;
  for (std::int64_t i = 0; i < tensor.shape[0]; ++i) {
    for (std::int64_t j = 0; j < tensor.shape[1]; ++j) {
      for (std::int64_t k = 0; k < tensor.shape[2]; ++k, ++*elements) {
        addresses.insert(reinterpret_cast<std::uintptr_t>(tensor.data) +
                         static_cast<std::uintptr_t>(
                             (i * tensor.strides[0] + j * tensor.strides[1] + k * tensor.strides[2]) *
                             size_of(tensor.dtype)));
      }
    }
  }
  return addresses;
}

// Compares with brute force: tensors that share memory are never reported as disjoint.
TEST(Overlap, NeverMissesAnOverlap) {
  std::mt19937_64 random(test::seeded(11));
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  int apart = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::int64_t strides[] = {1, 2, 3, 4, 6, 8, 12, 24, 5};
    const auto any = [&](const char* name) {
      return view(name, pick(0, 40), {pick(1, 4), pick(1, 4), pick(1, 4)},
                  {strides[pick(0, 8)], strides[pick(0, 8)], strides[pick(0, 8)]});
    };
    const CheckedTensor a = any("a");
    const CheckedTensor b = any("b");
    std::size_t elements = 0;
    const auto in_b = addresses_of(b, &elements);
    const auto in_a = addresses_of(a, &elements);
    ASSERT_TRUE(overlaps_itself(a) || in_a.size() == elements) << "case " << i;
    if (may_overlap(a, b)) continue;
    ++apart;
    for (const std::uintptr_t address : in_a) ASSERT_EQ(in_b.count(address), 0u) << "case " << i;
  }
  EXPECT_GT(apart, 1000);
}

}  // namespace
}  // namespace lvx
