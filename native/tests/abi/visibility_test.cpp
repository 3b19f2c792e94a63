// SPDX-License-Identifier: Apache-2.0
// Invalid ranges: rejected before anything is computed, if the host can read them.
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "owned_tensor.h"

namespace lvx::test {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kBatch = 2;
constexpr std::int64_t kQueries = 3;
constexpr std::int64_t kRanges = 2;
constexpr double kUntouched = 7;

lvx_device open_device() {
  lvx_cpu_options options{};
  options.struct_size = sizeof(options);
  options.threads = 1;
  lvx_device device = 0;
  EXPECT_EQ(lvx_device_open_cpu(&options, &device), LVX_OK) << error_now().message;
  return device;
}

// A problem of one rank. Outputs hold kUntouched until they are written.
struct Call {
  OwnedTensor q{DType::kFloat64, {kBatch, kQueries, 2, 8}}, k{DType::kFloat64, {kBatch, 4, 1, 8}},
      v{DType::kFloat64, {kBatch, 4, 1, 8}}, o{DType::kFloat64, {kBatch, kQueries, 2, 8}},
      lse{DType::kFloat64, {kBatch, 2, kQueries}};
  OwnedTensor d_o{DType::kFloat64, {kBatch, kQueries, 2, 8}}, dq{DType::kFloat64, {kBatch, kQueries, 2, 8}},
      dk{DType::kFloat64, {kBatch, 4, 1, 8}}, dv{DType::kFloat64, {kBatch, 4, 1, 8}};
  OwnedTensor visibility{DType::kInt32, {kBatch, kQueries, kRanges, 2}};
  lvx_attention_options options{};

  Call() {
    options.struct_size = sizeof(options);
    options.scale = 0.25;
    options.strategy = LVX_QUERY_RING;
    for (OwnedTensor* out : {&o, &lse, &dq, &dk, &dv}) {
      for (double& value : out->memory) value = kUntouched;
    }
    for (std::int64_t row = 0; row < kBatch * kQueries; ++row) set(row, 0, 0, 4);
  }

  void set(std::int64_t row, std::int64_t range, std::int32_t begin, std::int32_t end) {
    std::int32_t* at = visibility.as<std::int32_t>() + (row * kRanges + range) * 2;
    at[0] = begin;
    at[1] = end;
  }

  lvx_status forward(lvx_group group) {
    return lvx_attention_forward(group, &options, q, k, v, visibility, nullptr, o, lse, nullptr);
  }
  lvx_status backward(lvx_group group) {
    return lvx_attention_backward(group, &options, q, k, v, visibility, nullptr, o, lse, d_o, dq, dk, dv,
                                  nullptr, nullptr);
  }
  lvx_status reference() {
    return lvx_reference_forward(options.scale, q, k, v, visibility, nullptr, o, lse);
  }

  bool untouched() {
    for (OwnedTensor* out : {&o, &lse, &dq, &dk, &dv}) {
      for (const double value : out->memory) {
        if (value != kUntouched) return false;
      }
    }
    return true;
  }
};

using Bounds = std::pair<std::int32_t, std::int32_t>;

struct Wrong {
  Bounds first, second;
  std::string message;
};

// Sets the ranges of query 1 of batch item 1.
const std::vector<Wrong> kWrong = {
    {{4, 2}, {4, 4}, "end where they begin or later, got [4, 2) in batch 1, query 1, range 0"},
    {{0, 1}, {3, 2}, "end where they begin or later, got [3, 2) in batch 1, query 1, range 1"},
    {{1, 3}, {1, 0}, "got [1, 0) in batch 1, query 1, range 1"},
    {{0, -1}, {0, 4}, "got [0, -1) in batch 1, query 1, range 0"},
    {{1000, 999}, {0, 0}, "got [1000, 999) in batch 1, query 1, range 0"},
    {{2147483647, -2147483647 - 1}, {0, 0}, "got [2147483647, -2147483648) in batch 1, query 1, range 0"},
    {{-1, 2}, {2, 3}, "from 0 up, ascending and disjoint, got [-1, 2) after 0 in batch 1, query 1, range 0"},
    {{0, 3}, {2, 4}, "ascending and disjoint, got [2, 4) after 3 in batch 1, query 1, range 1"},
    {{2, 4}, {0, 1}, "ascending and disjoint, got [0, 1) after 4 in batch 1, query 1, range 1"},
};

TEST(Visibility, WrongRangesAreRefusedByNameBeforeAnythingIsComputed) {
  const lvx_device device = open_device();
  lvx_group group = 0;
  ASSERT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK) << error_now().message;
  for (const Wrong& wrong : kWrong) {
    Call call;
    call.set(kQueries + 1, 0, wrong.first.first, wrong.first.second);
    call.set(kQueries + 1, 1, wrong.second.first, wrong.second.second);
    const auto expect_refused = [&](lvx_status status, const char* what) {
      EXPECT_EQ(status, LVX_INVALID_ARGUMENT) << what << ": " << wrong.message;
      EXPECT_THAT(error_now().message, HasSubstr("visibility: expected ranges")) << what;
      EXPECT_THAT(error_now().message, HasSubstr(wrong.message)) << what;
    };
    expect_refused(call.forward(group), "forward");
    expect_refused(call.backward(group), "backward");
    expect_refused(call.reference(), "reference");
    EXPECT_TRUE(call.untouched()) << wrong.message;
  }
  Call good;
  EXPECT_EQ(good.forward(group), LVX_OK) << error_now().message;
  EXPECT_EQ(lvx_group_close(group), LVX_OK);
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
}

TEST(Visibility, EmptyRangesMayStandAnywhereAndRangesEndBeyondTheKeys) {
  const lvx_device device = open_device();
  lvx_group group = 0;
  ASSERT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK) << error_now().message;
  Call plain;
  ASSERT_EQ(plain.forward(group), LVX_OK) << error_now().message;
  for (const Bounds& empty : {Bounds{0, 0}, {9, 9}, {-5, -5}, {2147483647, 2147483647}}) {
    for (const std::int64_t device_id : {0, 1}) {
      Call call;
      for (std::int64_t row = 0; row < kBatch * kQueries; ++row) {
        call.set(row, device_id, empty.first, empty.second);
        call.set(row, 1 - device_id, 0, 2147483647);
      }
      ASSERT_EQ(call.forward(group), LVX_OK) << error_now().message;
      EXPECT_EQ(call.o.memory, plain.o.memory);
      EXPECT_EQ(call.lse.memory, plain.lse.memory);
    }
  }
  EXPECT_EQ(lvx_group_close(group), LVX_OK);
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
}

TEST(Visibility, AnInvertedRangeOfOneRankReleasesTheOtherAndTheGroupStaysUsable) {
  lvx_group_options options{};
  options.struct_size = sizeof(options);
  options.timeout_seconds = 60;
  lvx_world world = 0;
  ASSERT_EQ(lvx_local_world_create(2, &options, &world), LVX_OK) << error_now().message;
  lvx_device devices[2] = {};
  lvx_group groups[2] = {};
  for (int rank = 0; rank < 2; ++rank) {
    devices[rank] = open_device();
    ASSERT_EQ(lvx_local_world_join(world, rank, devices[rank], &groups[rank]), LVX_OK) << error_now().message;
  }
  for (const std::int32_t strategy :
       {LVX_QUERY_RING, LVX_QUERY_GATHER, LVX_KV_RING, LVX_KV_GATHER, LVX_HEAD_ALL_TO_ALL, LVX_TWO_LEVEL}) {
    for (const bool forward : {true, false}) {
      Call good;
      Call bad;
      good.options.strategy = bad.options.strategy = strategy;
      bad.set(2, 0, 4, 2);
      const auto run = [&](Call& call, int rank) {
        return forward ? call.forward(groups[rank]) : call.backward(groups[rank]);
      };
      lvx_error seen{};
      std::thread peer([&] {
        EXPECT_EQ(run(good, 0), LVX_PEER_MISMATCH);
        seen = error_now();
      });
      EXPECT_EQ(run(bad, 1), LVX_INVALID_ARGUMENT);
      EXPECT_THAT(error_now().message, HasSubstr("got [4, 2) in batch 0, query 2, range 0"));
      peer.join();
      EXPECT_EQ(seen.rank, 1);
      EXPECT_THAT(seen.message, HasSubstr("got [4, 2) in batch 0, query 2, range 0"));
      EXPECT_TRUE(good.untouched() && bad.untouched());

      bad.set(2, 0, 4, 4);
      std::thread again([&] { EXPECT_EQ(run(good, 0), LVX_OK) << error_now().message; });
      EXPECT_EQ(run(bad, 1), LVX_OK) << error_now().message;
      again.join();
    }
  }
  for (int rank = 0; rank < 2; ++rank) {
    lvx_group_close(groups[rank]);
    EXPECT_EQ(lvx_device_close(devices[rank]), LVX_OK) << error_now().message;
  }
  EXPECT_EQ(lvx_local_world_close(world), LVX_OK);
}

}  // namespace
}  // namespace lvx::test
