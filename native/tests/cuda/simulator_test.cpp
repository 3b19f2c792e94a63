// SPDX-License-Identifier: Apache-2.0
// Tests of the simulator itself: its primitives behave like the GPU's, and it detects each planted fault.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "device/cuda/warp/warp.h"

namespace lvx::cuda {
namespace {

using ::testing::HasSubstr;

void run(int threads, const std::function<void()>& body) { host::simulate(1, threads, 1024, body); }

// The message of the fault that body causes, or an empty string.
std::string fault_of(int threads, const std::function<void()>& body) {
  try {
    run(threads, body);
  } catch (const host::Fault& fault) {
    return fault.what();
  }
  return "";
}

SharedAddress word(int i) { return shared_memory() + 4 * i; }
std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

TEST(Simulator, EveryThreadOfEveryBlockRuns) {
  std::vector<int> runs(3 * 96);
  host::simulate(3, 96, 0, [&] { ++runs[static_cast<std::size_t>(block_index() * 96 + thread_index())]; });
  EXPECT_THAT(runs, ::testing::Each(1));
}

TEST(Simulator, ShufflesAndBallots) {
  std::vector<int> sums(64);
  std::vector<std::uint32_t> votes(64);
  run(64, [&] {
    int sum = lane();
    for (int mask = 16; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
    const int first = shuffle(thread_index(), 0);
    sums[static_cast<std::size_t>(thread_index())] = sum + first;
    votes[static_cast<std::size_t>(thread_index())] = ballot(lane() % 2 == 1);
  });
  EXPECT_EQ(sums[5], 496);
  EXPECT_EQ(sums[40], 496 + 32);
  EXPECT_THAT(votes, ::testing::Each(0xaaaaaaaau));
}

// a [16, 16] times the transpose of b [8, 16], through shared memory and ldmatrix, as in kernels.
TEST(Simulator, MultipliesMatrices) {
  std::vector<float> c(16 * 8);
  run(32, [&] {
    const auto element = [](int row, int column) {
      return static_cast<float>((row * 7 + column * 3) % 11 - 5);
    };
    for (int i = lane(); i < 24 * 16; i += kWarp) {
      store_shared(shared_memory() + 2 * i,
                   static_cast<std::uint16_t>(pack<BFloat16>(element(i / 16, i % 16), 0.0f).bits));
    }
    sync_warp();
    const Matrices a = load_matrices(shared_memory() + (lane() % 16 * 32 + lane() / 16 * 16));
    const Matrices b = load_matrices(shared_memory() + ((16 + lane() % 8) * 32 + lane() / 8 % 2 * 16));
    float sum[4] = {1, 1, 1, 1};
    multiply_add<BFloat16>(sum, a, b.parts[0], b.parts[1]);
    for (int i = 0; i < 4; ++i) {
      c[static_cast<std::size_t>((lane() / 4 + i / 2 * 8) * 8 + lane() % 4 * 2 + i % 2)] = sum[i];
    }
  });
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      int expected = 1;
      for (int k = 0; k < 16; ++k) {
        expected += ((row * 7 + k * 3) % 11 - 5) * (((16 + column) * 7 + k * 3) % 11 - 5);
      }
      EXPECT_EQ(c[static_cast<std::size_t>(row * 8 + column)], static_cast<float>(expected));
    }
  }
}

// The layout of mma.m16n8k16's operands in the PTX ISA: A and C by row and column, B by depth and column. The kernels rely on
// it, so the simulator must have it, too.
struct Fragment {
  static int a_row(int lane, int i) { return lane / 4 + (i / 2 % 2 == 0 ? 0 : 8); }
  static int a_depth(int lane, int i) { return lane % 4 * 2 + i % 2 + (i < 4 ? 0 : 8); }
  static int b_depth(int lane, int i) { return lane % 4 * 2 + i % 2 + (i < 2 ? 0 : 8); }
  static int b_column(int lane) { return lane / 4; }
  static int c_row(int lane, int i) { return lane / 4 + (i < 2 ? 0 : 8); }
  static int c_column(int lane, int i) { return lane % 4 * 2 + i % 2; }
};

TEST(Simulator, HoldsOperandsOfProductsWhereThePtxIsaPutsThem) {
  const auto a_at = [](int row, int depth) { return static_cast<float>((row * 5 + depth * 3) % 13 - 6); };
  const auto b_at = [](int depth, int column) { return static_cast<float>((depth * 7 + column) % 11 - 5); };
  int wrong = 0;
  run(32, [&] {
    Matrices a{};
    std::uint32_t b[2] = {};
    for (int i = 0; i < 8; i += 2) {
      a.parts[i / 2] = pack<Float16>(a_at(Fragment::a_row(lane(), i), Fragment::a_depth(lane(), i)),
                                     a_at(Fragment::a_row(lane(), i + 1), Fragment::a_depth(lane(), i + 1)))
                           .bits;
    }
    for (int i = 0; i < 4; i += 2) {
      b[i / 2] = pack<Float16>(b_at(Fragment::b_depth(lane(), i), Fragment::b_column(lane())),
                               b_at(Fragment::b_depth(lane(), i + 1), Fragment::b_column(lane())))
                     .bits;
    }
    float c[4] = {};
    multiply_add<Float16>(c, a, b[0], b[1]);
    for (int i = 0; i < 4; ++i) {
      float expected = 0;
      for (int k = 0; k < 16; ++k) {
        expected += a_at(Fragment::c_row(lane(), i), k) * b_at(k, Fragment::c_column(lane(), i));
      }
      wrong += c[i] == expected ? 0 : 1;
    }
  });
  EXPECT_EQ(wrong, 0);
}

// ldmatrix: of each 8x8 matrix, lane l gets elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4; transposed, of column l / 4.
TEST(Simulator, LoadsMatricesAsThePtxIsaSays) {
  int wrong = 0;
  run(32, [&] {
    for (int i = 0; i < 8; ++i) {
      store_shared(shared_memory() + (lane() * 16 + 2 * i), static_cast<std::uint16_t>(lane() * 8 + i));
    }
    sync_warp();
    const Matrices plain = load_matrices(shared_memory() + lane() * 16);
    const Matrices transposed = load_matrices_transposed(shared_memory() + lane() * 16);
    const auto element = [](int matrix, int row, int column) {
      return static_cast<std::uint32_t>((8 * matrix + row) * 8 + column);
    };
    for (int m = 0; m < 4; ++m) {
      const int row = lane() / 4;
      const int column = lane() % 4 * 2;
      wrong += plain.parts[m] == (element(m, row, column) | element(m, row, column + 1) << 16) ? 0 : 1;
      wrong += transposed.parts[m] == (element(m, column, row) | element(m, column + 1, row) << 16) ? 0 : 1;
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST(Simulator, AsynchronousCopiesArriveWhenTheyAreWaitedFor) {
  alignas(16) static const std::vector<float> from = {1, 2, 3, 4, 5, 6, 7, 8};
  const host::Registered given(bytes_of(from));
  std::vector<float> to(32);
  run(32, [&] {
    if (lane() < 2) copy_async(shared_memory() + 16 * lane(), from.data() + 4 * lane(), lane() == 0);
    commit_copies();
    wait_for_copies<0>();
    sync_block();
    if (lane() < 8) to[static_cast<std::size_t>(lane())] = load_shared<float>(word(lane()));
  });
  EXPECT_EQ(to[3], 4);
  EXPECT_EQ(to[4], 0);  // not live: zeros
}

TEST(Simulator, FindsReadsWithoutABarrier) {
  const auto body = [](bool synchronised) {
    return [=] {
      store_shared(word(thread_index()), 0);
      sync_block();
      store_shared(word(thread_index()), 1);
      if (synchronised) sync_block();
      load_shared<int>(word((thread_index() + 32) % 64));
    };
  };
  EXPECT_EQ(fault_of(64, body(true)), "");
  EXPECT_THAT(fault_of(64, body(false)), HasSubstr("with no barrier between them"));
}

TEST(Simulator, FindsWritesAfterReadsWithoutABarrier) {
  const auto body = [](bool synchronised) {
    return [=] {
      store_shared(word(thread_index()), 1);
      sync_block();
      load_shared<int>(word(0));
      if (synchronised) sync_block();
      if (thread_index() == 40) store_shared(word(0), 2);
    };
  };
  EXPECT_EQ(fault_of(64, body(true)), "");
  EXPECT_THAT(fault_of(64, body(false)), HasSubstr("other threads read it"));
}

TEST(Simulator, FindsTwoWritersWithoutABarrier) {
  EXPECT_THAT(fault_of(64, [] { store_shared(word(0), thread_index()); }), HasSubstr("wrote it"));
}

TEST(Simulator, OrdersAWarpByItsOwnBarrierAlone) {
  const auto body = [](bool warp_alone) {
    return [=] {
      store_shared(word(thread_index()), 0);
      sync_block();
      store_shared(word(thread_index()), 1);
      sync_warp();
      load_shared<int>(word(warp_alone ? thread_index() ^ 1 : (thread_index() + 32) % 64));
    };
  };
  EXPECT_EQ(fault_of(64, body(true)), "");
  EXPECT_THAT(fault_of(64, body(false)), HasSubstr("with no barrier between them"));
}

TEST(Simulator, DoesNotTakeAShuffleForABarrier) {
  EXPECT_THAT(fault_of(32,
                       [] {
                         store_shared(word(lane()), 1);
                         shuffle_xor(1, 1);
                         load_shared<int>(word(lane() ^ 1));
                       }),
              HasSubstr("with no barrier between them"));
}

TEST(Simulator, FindsReadsOfWhatNobodyWrote) {
  EXPECT_THAT(fault_of(32, [] { load_shared<int>(word(lane())); }), HasSubstr("before anything was written"));
  // Memory that an earlier block wrote counts as uninitialised, too.
  std::string fault;
  try {
    host::simulate(2, 32, 1024, [] {
      if (block_index() == 0) store_shared(word(lane()), 1);
      if (block_index() == 1) load_shared<int>(word(lane()));
    });
  } catch (const host::Fault& found) {
    fault = found.what();
  }
  EXPECT_THAT(fault, HasSubstr("block 1"));
}

TEST(Simulator, FindsReadsOfCopiesUnderWay) {
  alignas(16) static const std::vector<float> from(4);
  const host::Registered given(bytes_of(from));
  EXPECT_THAT(fault_of(32,
                       [&] {
                         if (lane() == 0) copy_async(word(0), from.data(), true);
                         commit_copies();
                         if (lane() == 0) load_shared<int>(word(0));
                       }),
              HasSubstr("asynchronous copy is under way"));
  // The copying thread has waited, but no barrier follows, so other threads must not read yet.
  EXPECT_THAT(fault_of(32,
                       [&] {
                         if (lane() == 0) copy_async(word(0), from.data(), true);
                         commit_copies();
                         wait_for_copies<0>();
                         load_shared<int>(word(0));
                       }),
              HasSubstr("with no barrier between them"));
}

TEST(Simulator, FindsAccessesOutsideSharedMemory) {
  EXPECT_THAT(fault_of(32, [] { store_shared(word(256), 1); }), HasSubstr("outside the block's 1024"));
  EXPECT_THAT(fault_of(32, [] { load_shared<int>(shared_memory() + 1022); }),
              HasSubstr("outside the block's 1024"));
  EXPECT_THAT(fault_of(32, [] { store_shared(shared_memory() + 2, 1); }), HasSubstr("misaligned"));
}

TEST(Simulator, FindsAccessesOutsideGlobalMemory) {
  std::vector<float> values(4);
  const auto store = [&](int at) { return [&values, at] { store_global(values.data() + at, 1.0f); }; };
  EXPECT_THAT(fault_of(32, store(0)), HasSubstr("outside everything that the kernel was given"));
  const host::Registered given(bytes_of(values));
  EXPECT_EQ(fault_of(32, store(3)), "");
  EXPECT_THAT(fault_of(32, store(4)), HasSubstr("outside everything that the kernel was given"));
  EXPECT_THAT(fault_of(32, [&] { load_global(reinterpret_cast<const Chunk*>(values.data()) + 1); }),
              HasSubstr("outside everything"));
}

TEST(Simulator, FindsLanesAtDifferentPrimitives) {
  EXPECT_THAT(fault_of(32,
                       [] {
                         if (lane() < 16) {
                           sync_warp();
                         } else {
                           ballot(true);
                         }
                       }),
              HasSubstr("while another lane of its warp is at"));
}

TEST(Simulator, FindsThreadsThatEndWhileOthersWait) {
  EXPECT_THAT(fault_of(64,
                       [] {
                         if (warp_index() == 0) sync_block();
                       }),
              HasSubstr("waits at sync_block"));
  EXPECT_THAT(fault_of(32,
                       [] {
                         if (lane() != 3) sync_warp();
                       }),
              HasSubstr("waits at sync_warp"));
}

}  // namespace
}  // namespace lvx::cuda
