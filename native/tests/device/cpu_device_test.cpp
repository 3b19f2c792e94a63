// SPDX-License-Identifier: Apache-2.0
// The CPU device's operations other than attention.
#include "device/cpu/cpu_device.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "base/error.h"
#include "device/problems.h"
#include "support/seed.h"

namespace lvx::testing {
namespace {

TEST(CpuDevice, CountsMemoryAgainstItsBudget) {
  const auto device = make_cpu_device({1, 1000});
  std::byte* a = device->allocate(600);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % 64, 0u);
  EXPECT_EQ(device->bytes_in_use(), 600u);
  try {
    device->allocate(401);
    FAIL() << "401 bytes beside 600 of 1000";
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), LVX_OUT_OF_MEMORY);
    const std::string message = e.what();
    for (const char* number : {"401", "600", "1000"})
      EXPECT_NE(message.find(number), std::string::npos) << message;
  }
  std::byte* b = device->allocate(400);
  device->release(a, 600);
  device->release(b, 400);
  EXPECT_EQ(device->bytes_in_use(), 0u);
  EXPECT_EQ(device->peak_bytes(), 1000u);
}

TEST(CpuDevice, RefusesSizesThatWrapAround) {
  for (const std::size_t budget : {std::size_t{0}, std::size_t{1} << 20}) {
    const auto device = make_cpu_device({1, budget});
    EXPECT_THROW(device->allocate(std::numeric_limits<std::size_t>::max()), Error);
    EXPECT_THROW(device->allocate(std::numeric_limits<std::size_t>::max() - 63), Error);
    EXPECT_EQ(device->bytes_in_use(), 0u);
    EXPECT_EQ(device->peak_bytes(), 0u);
  }
}

TEST(CpuDevice, CountsMemoryFromManyThreads) {
  const auto device = make_cpu_device({1, 0});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&device] {
      for (int i = 0; i < 1000; ++i) device->release(device->allocate(100), 100);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(device->bytes_in_use(), 0u);
  EXPECT_GE(device->peak_bytes(), 100u);
  EXPECT_LE(device->peak_bytes(), 400u);
}

TEST(CpuDevice, HasTheThreadsItWasGiven) {
  EXPECT_EQ(make_cpu_device({3, 0})->threads(), 3);
  EXPECT_GE(make_cpu_device({0, 0})->threads(), 1);
  EXPECT_EQ(make_cpu_device({1, 0})->kind(), LVX_CPU);
}

TEST(CpuDevice, CopiesConvertAndRestride) {
  const auto device = make_cpu_device({2, 0});
  std::mt19937 random(test::seeded(1));
  for (const DType to_dtype : {DType::kFloat64, DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    Array from({2, 5, 3, 24}, DType::kFloat32, {3, 5});
    Array to({2, 5, 3, 24}, to_dtype, {1, 2});
    Array expected({2, 5, 3, 24}, to_dtype);
    Case::randomize(from, random);
    device->copy(from.bshd(), to.bshd());
    for (std::int64_t i = 0; i < from.count(); ++i) {
      expected.set(i, from.get(i));
      EXPECT_EQ(to.get(i), expected.get(i));
    }
    EXPECT_TRUE(to.gaps_untouched());
  }
}

TEST(CpuDevice, AddsInTheTargetsDType) {
  const auto device = make_cpu_device({2, 0});
  std::mt19937 random(test::seeded(2));
  Array from({2, 700, 3, 8}, DType::kBFloat16, {1, 8});
  Array to({2, 700, 3, 8}, DType::kFloat32, {0, 3});
  Case::randomize(from, random);
  Case::randomize(to, random);
  const Array before = to;
  device->add(from.bshd(), to.bshd());
  for (std::int64_t i = 0; i < to.count(); ++i) {
    EXPECT_EQ(to.get(i), static_cast<float>(before.get(i)) + static_cast<float>(from.get(i)));
  }
  EXPECT_TRUE(to.gaps_untouched());
}

// A row of a bias's gradient has one element per key.
TEST(CpuDevice, AddsRowsOfAnyLength) {
  const auto device = make_cpu_device({2, 0});
  std::mt19937 random(test::seeded(4));
  for (const std::int64_t dim : {1, 256, 257, 5000}) {
    Array from({2, 3, 2, dim}, DType::kFloat64, {1, 8});
    Array to({2, 3, 2, dim}, DType::kFloat64, {0, 3});
    Case::randomize(from, random);
    Case::randomize(to, random);
    const Array before = to;
    device->add(from.bshd(), to.bshd());
    for (std::int64_t i = 0; i < to.count(); ++i) EXPECT_EQ(to.get(i), before.get(i) + from.get(i));
    EXPECT_TRUE(to.gaps_untouched());
  }
}

TEST(CpuDevice, CopiesRowsBiasAndVisibility) {
  const auto device = make_cpu_device({2, 0});
  std::mt19937 random(test::seeded(3));
  Array lse({2, 3, 70}, DType::kFloat32, {2, 4});
  Array lse_copy({2, 3, 70}, DType::kFloat64);
  Case::randomize(lse, random);
  lse.set(5, -kInfinity);
  device->copy(lse.bhs(), lse_copy.bhs());
  for (std::int64_t i = 0; i < lse.count(); ++i) EXPECT_EQ(lse_copy.get(i), lse.get(i));

  Array bias({2, 1, 4, 90}, DType::kFloat16, {1, 6});
  Array bias_copy({2, 1, 4, 90}, DType::kFloat32);
  Case::randomize(bias, random);
  bias.set(9, -kInfinity);
  device->copy(as_bshd(bias.bias()), as_bshd(bias_copy.bias()));
  for (std::int64_t i = 0; i < bias.count(); ++i) EXPECT_EQ(bias_copy.get(i), bias.get(i));

  std::vector<std::int32_t> ranges(2 * 3 * 2 * 4);  // [2, 3, 2, 2] with ranges four apart
  for (std::size_t i = 0; i < ranges.size(); ++i) ranges[i] = static_cast<std::int32_t>(i);
  std::vector<std::int32_t> compact(2 * 3 * 2 * 2);
  device->copy(Visibility{ranges.data(), 2, 3, 2, 24, 8, 4}, compact.data());
  for (std::size_t i = 0; i < compact.size(); ++i) {
    EXPECT_EQ(compact[i], static_cast<std::int32_t>(i / 2 * 4 + i % 2));
  }
}

TEST(CpuDevice, MergesByTheRule) {
  const auto device = make_cpu_device({2, 0});
  const ProblemShape p{1, 4, 0, 1, 1, 8, 1, 0};
  Forward part = empty_forward(p, DType::kBFloat16, DType::kFloat32);
  Forward into = empty_forward(p, DType::kFloat32, DType::kFloat32);
  part.o.fill(4);
  into.o.fill(8);
  const double nothing = -kInfinity;
  const double part_lse[] = {1, nothing, 1, nothing};
  const double into_lse[] = {1 + std::log(3.0), 2, nothing, nothing};
  for (std::int64_t i = 0; i < 4; ++i) {
    part.lse.set(i, part_lse[i]);
    into.lse.set(i, into_lse[i]);
  }
  for (std::int64_t d = 0; d < 8; ++d) into.o.set(3 * 8 + d, 0);
  device->merge({part.o.bshd(), part.lse.bhs()}, {into.o.bshd(), into.lse.bhs()});
  const double o[] = {7, 8, 4, 0};  // weights 1 : 3, 0 : 1, 1 : 0, none
  const double lse[] = {1 + std::log(4.0), 2, 1, nothing};
  for (std::int64_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(into.o.get(8 * i), o[i], 1e-5) << i;
    if (std::isinf(lse[i])) {
      EXPECT_EQ(into.lse.get(i), lse[i]);
    } else {
      EXPECT_NEAR(into.lse.get(i), lse[i], 1e-6) << i;
    }
  }
}

TEST(CpuDevice, DeltaIsTheRowsumOfProducts) {
  const auto device = make_cpu_device({2, 0});
  for (const DType dtype : {DType::kFloat64, DType::kFloat32, DType::kFloat16}) {
    const ProblemShape p{2, 9, 0, 3, 3, 40, 1, 0};
    Case c(p, dtype, 5, {1, 8});
    Array delta({2, 3, 9}, accumulator_of(dtype));
    device->delta(c.q.bshd(), c.d_o.bshd(), delta.bhs());
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t row = 0; row < 9; ++row) {
        for (std::int64_t head = 0; head < 3; ++head) {
          double sum = 0;
          for (std::int64_t d = 0; d < 40; ++d) {
            const std::int64_t i = ((b * 9 + row) * 3 + head) * 40 + d;
            sum += c.q.get(i) * c.d_o.get(i);
          }
          EXPECT_NEAR(delta.get((b * 3 + head) * 9 + row), sum, dtype == DType::kFloat64 ? 1e-13 : 2e-5);
        }
      }
    }
  }
}

// A mistake of a schedule: it would read or write beyond a tensor.
TEST(CpuDevice, RefusesViewsThatDoNotBelongTogether) {
  const auto device = make_cpu_device({1, 0});
  const auto refused = [](auto&& work) {
    try {
      work();
      return false;
    } catch (const Error& error) {
      return error.status() == LVX_INTERNAL;
    }
  };
  Case c(shape_of(2, 5, 9, 4, 2, 16), DType::kFloat32, 40);
  c.bias.emplace(std::vector<std::int64_t>{2, 1, 5, 9}, DType::kFloat32);
  c.bias->fill(0);
  Forward f = device_forward(*device, c);
  Backward b = device_backward(*device, c, f);
  const Bshd few = c.q.bshd().row_range(0, 4);
  EXPECT_TRUE(refused([&] { device->copy(few, f.o.bshd()); }));
  EXPECT_TRUE(refused([&] { device->add(f.o.bshd(), few); }));
  EXPECT_TRUE(refused([&] { device->copy(f.lse.bhs().row_range(1, 5), f.rest->bhs()); }));
  EXPECT_TRUE(refused([&] { device->merge({few, f.rest->bhs()}, {f.o.bshd(), f.lse.bhs()}); }));
  EXPECT_TRUE(refused([&] { device->delta(few, c.d_o.bshd(), b.delta.bhs()); }));

  const DeviceMemory memory(*device, device->backward_scratch(c.shape, c.dtype));
  const std::span<std::byte> scratch(memory.data(), memory.bytes());
  const ForwardProblem forward{c.shape,
                               c.q.bshd(),
                               c.k.bshd(),
                               c.v.bshd(),
                               {},
                               c.bias->bias(),
                               {f.o.bshd(), f.rest->bhs(), f.bias_max->bhs()}};
  const std::vector<std::function<void(ForwardProblem&)>> mistakes{
      [](ForwardProblem& p) { p.q.rows = 4; },       [](ForwardProblem& p) { p.k.heads = 4; },
      [](ForwardProblem& p) { p.v.dim = 8; },        [](ForwardProblem& p) { p.bias.keys = 8; },
      [](ForwardProblem& p) { p.bias.heads = 2; },   [](ForwardProblem& p) { p.out.o.batch = 1; },
      [](ForwardProblem& p) { p.out.lse.rows = 4; }, [](ForwardProblem& p) { p.shape.queries = 6; }};
  for (const auto& make : mistakes) {
    ForwardProblem wrong = forward;
    make(wrong);
    EXPECT_TRUE(refused([&] { device->forward(wrong, scratch); })) << &make - mistakes.data();
  }
  const BackwardProblem backward{c.shape,          c.q.bshd(),    c.k.bshd(),    c.v.bshd(),
                                 c.d_o.bshd(),     f.rest->bhs(), b.delta.bhs(), {},
                                 c.bias->bias(),   b.dq.bshd(),   b.dk.bshd(),   b.dv.bshd(),
                                 b.d_bias->bias(), false,         false,         f.bias_max->bhs()};
  const std::vector<std::function<void(BackwardProblem&)>> backward_mistakes{
      [](BackwardProblem& p) { p.d_o.rows = 4; },      [](BackwardProblem& p) { p.delta.heads = 2; },
      [](BackwardProblem& p) { p.dq.dim = 8; },        [](BackwardProblem& p) { p.dk.rows = 8; },
      [](BackwardProblem& p) { p.dv.heads = 4; },      [](BackwardProblem& p) { p.d_bias.rows = 4; },
      [](BackwardProblem& p) { p.bias_max.rows = 4; }, [](BackwardProblem& p) { p.shape.keys = 10; }};
  for (const auto& make : backward_mistakes) {
    BackwardProblem wrong = backward;
    make(wrong);
    EXPECT_TRUE(refused([&] { device->backward(wrong, scratch); })) << &make - backward_mistakes.data();
  }
}

TEST(CpuDevice, KnowsWhichShardsAreSeen) {
  const auto device = make_cpu_device({1, 0});
  const std::vector<std::int64_t> bounds{0, 10, 10, 25, 40};  // the second is empty
  std::vector<std::uint8_t> seen(4, 7);
  const auto look = [&](const std::vector<std::int32_t>& ranges) {
    const auto rows = static_cast<std::int64_t>(ranges.size() / 4);
    device->shards_seen(compact_visibility(ranges.data(), 1, rows, 2), bounds, seen);
    return seen;
  };
  using Seen = std::vector<std::uint8_t>;
  EXPECT_EQ(look({}), (Seen{0, 0, 0, 0}));
  EXPECT_EQ(look({5, 6, 9, 2}), (Seen{1, 0, 0, 0}));
  EXPECT_EQ(look({9, 11, 40, 90}), (Seen{1, 0, 1, 0}));
  EXPECT_EQ(look({-9, 0, 10, 10, 24, 26, 30, 30}), (Seen{0, 0, 1, 1}));
  EXPECT_EQ(look({-9, 900, 0, 0}), (Seen{1, 0, 1, 1}));
  device->shards_seen(Visibility{.batch = 1, .rows = 3}, bounds, seen);
  EXPECT_EQ(seen, (Seen{1, 0, 1, 1}));
  device->shards_seen(Visibility{.batch = 1}, bounds, seen);
  EXPECT_EQ(seen, (Seen{0, 0, 0, 0}));
}

TEST(CpuDevice, YardsticksMeasureSomething) {
  const auto device = make_cpu_device({2, 0});
  EXPECT_GT(device->probe_gemm(65), 0);
  EXPECT_GT(device->probe_gemm(1), 0);
  EXPECT_GT(device->probe_read(1 << 20), 0);
  EXPECT_EQ(device->bytes_in_use(), 0u);
}

}  // namespace
}  // namespace lvx::testing
