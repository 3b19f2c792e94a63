// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/spare_blocks.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "device/cpu/memory.h"

namespace lvx::test {
namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

std::byte* block(std::size_t bytes) {
  auto* data = static_cast<std::byte*>(std::aligned_alloc(2 * kMegabyte, bytes));
  std::memset(data, 1, bytes);
  return data;
}

TEST(SpareBlocks, GivesWhatHasExactlyTheSize) {
  SpareBlocks spares(64 * kMegabyte);
  std::byte* kept = block(4 * kMegabyte);
  spares.keep(kept, 4 * kMegabyte);
  EXPECT_EQ(spares.take(2 * kMegabyte), nullptr);
  EXPECT_EQ(spares.take(6 * kMegabyte), nullptr);
  std::byte* taken = spares.take(4 * kMegabyte);
  ASSERT_EQ(taken, kept);
  std::memset(taken, 2, 4 * kMegabyte);
  EXPECT_EQ(spares.take(4 * kMegabyte), nullptr) << "it is given once";
  spares.keep(taken, 4 * kMegabyte);
}

TEST(SpareBlocks, FreesTheOldestBeyondTheLimit) {
  SpareBlocks spares(8 * kMegabyte);
  std::byte* second = block(4 * kMegabyte);
  spares.keep(block(2 * kMegabyte), 2 * kMegabyte);
  spares.keep(second, 4 * kMegabyte);
  spares.keep(block(4 * kMegabyte), 4 * kMegabyte);
  EXPECT_EQ(spares.take(2 * kMegabyte), nullptr);
  std::free(spares.take(4 * kMegabyte));
  EXPECT_EQ(spares.take(4 * kMegabyte), second) << "the youngest goes first";
  std::free(second);
  spares.keep(block(10 * kMegabyte), 10 * kMegabyte);
  EXPECT_EQ(spares.take(10 * kMegabyte), nullptr) << "larger than the limit";
}

TEST(SpareBlocks, NothingIsLeftOnceCleared) {
  SpareBlocks spares(64 * kMegabyte);
  spares.keep(block(4 * kMegabyte), 4 * kMegabyte);
  spares.clear();
  EXPECT_EQ(spares.take(4 * kMegabyte), nullptr);
}

TEST(SpareBlocks, DevicesPassOnLargeBlocksWhileOneIsThere) {
  if (SpareBlocks::shared()->limit() == 0) GTEST_SKIP() << "a sanitizer wants memory to be freed";
  constexpr std::size_t kBytes = 4 * kMegabyte + 100;  // whole huge pages are kept
  Memory first(0);
  Memory second(0);
  std::byte* released = first.allocate(kBytes);
  first.release(released, kBytes);
  EXPECT_EQ(first.in_use(), 0u) << "spares are nobody's";
  std::byte* allocated = second.allocate(kBytes);
  EXPECT_EQ(allocated, released);
  EXPECT_EQ(second.in_use(), kBytes);
  second.release(allocated, kBytes);
  std::byte* small = first.allocate(kMegabyte);
  first.release(small, kMegabyte);
  EXPECT_EQ(SpareBlocks::shared()->take(kMegabyte), nullptr) << "the system is quick with those";
}

TEST(SpareBlocks, EndWithTheLastDevice) {
  if (SpareBlocks::shared()->limit() == 0) GTEST_SKIP() << "a sanitizer wants memory to be freed";
  {
    Memory memory(0);
    memory.release(memory.allocate(4 * kMegabyte), 4 * kMegabyte);
  }
  EXPECT_EQ(SpareBlocks::shared()->take(4 * kMegabyte), nullptr);
}

}  // namespace
}  // namespace lvx::test
