// SPDX-License-Identifier: Apache-2.0
// The C ABI with valid and with invalid calls.
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "owned_tensor.h"
#include "support/seed.h"

namespace lvx::test {
namespace {

using testing::HasSubstr;

lvx_device open_device() {
  lvx_cpu_options options{};
  options.struct_size = sizeof(options);
  options.threads = 1;
  lvx_device device = 0;
  EXPECT_EQ(lvx_device_open_cpu(&options, &device), LVX_OK) << error_now().message;
  return device;
}

lvx_device_info query(lvx_device device) {
  lvx_device_info info{};
  info.struct_size = sizeof(info);
  EXPECT_EQ(lvx_device_query(device, &info), LVX_OK) << error_now().message;
  return info;
}

lvx_attention_options attention_options() {
  lvx_attention_options options{};
  options.struct_size = sizeof(options);
  options.scale = 0.25;
  options.strategy = LVX_QUERY_RING;
  return options;
}

void fill(OwnedTensor& tensor, std::uint64_t seed) {
  std::mt19937_64 random(seeded(seed));
  std::normal_distribution<double> normal;
  for (double& value : tensor.memory) value = normal(random);
}

// A float64 problem with its results.
struct Attention {
  OwnedTensor q{DType::kFloat64, {2, 5, 4, 16}}, k{DType::kFloat64, {2, 7, 2, 16}},
      v{DType::kFloat64, {2, 7, 2, 16}};
  OwnedTensor o{DType::kFloat64, {2, 5, 4, 16}}, lse{DType::kFloat64, {2, 4, 5}};

  Attention() {
    fill(q, 1);
    fill(k, 2);
    fill(v, 3);
  }
  lvx_status forward(lvx_group group, const lvx_tensor* visibility = nullptr,
                     lvx_statistics* statistics = nullptr) {
    const lvx_attention_options options = attention_options();
    return lvx_attention_forward(group, &options, q, k, v, visibility, nullptr, o, lse, statistics);
  }
};

TEST(Use, ForwardOfAGroupOfOneEqualsTheReference) {
  const lvx_device device = open_device();
  lvx_group group = 0;
  ASSERT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK) << error_now().message;
  Attention ours;
  Attention reference;
  lvx_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  ASSERT_EQ(ours.forward(group, nullptr, &statistics), LVX_OK) << error_now().message;
  ASSERT_EQ(lvx_reference_forward(0.25, reference.q, reference.k, reference.v, nullptr, nullptr, reference.o,
                                  reference.lse),
            LVX_OK)
      << error_now().message;
  for (int i = 0; i < 2 * 5 * 4 * 16; ++i) {
    EXPECT_NEAR(ours.o.as<double>()[i], reference.o.as<double>()[i], 1e-12);
  }
  for (int i = 0; i < 2 * 4 * 5; ++i)
    EXPECT_NEAR(ours.lse.as<double>()[i], reference.lse.as<double>()[i], 1e-12);
  EXPECT_EQ(statistics.struct_size, sizeof(statistics));
  EXPECT_EQ(statistics.strategy, LVX_QUERY_RING);
  EXPECT_EQ(statistics.bytes_sent, 0u);
  EXPECT_EQ(lvx_group_close(group), LVX_OK);
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
}

TEST(Use, NoRangesMeanThatNothingIsSeen) {
  const lvx_device device = open_device();
  lvx_group group = 0;
  ASSERT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK);
  Attention attention;
  OwnedTensor visibility(DType::kInt32, {2, 5, 0, 2});
  visibility.tensor.data = nullptr;
  ASSERT_EQ(attention.forward(group, visibility), LVX_OK) << error_now().message;
  EXPECT_EQ(attention.o.as<double>()[0], 0.0);
  EXPECT_EQ(attention.lse.as<double>()[0], -std::numeric_limits<double>::infinity());
  lvx_group_close(group);
  lvx_device_close(device);
}

TEST(Use, BuffersAreZeroedAlignedAndCounted) {
  const lvx_device device = open_device();
  const std::uint64_t before = query(device).bytes_in_use;
  lvx_buffer buffer = 0;
  void* data = nullptr;
  ASSERT_EQ(lvx_buffer_allocate(device, 1000, &buffer, &data), LVX_OK) << error_now().message;
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 64, 0u);
  EXPECT_EQ(std::count(static_cast<char*>(data), static_cast<char*>(data) + 1000, 0), 1000);
  EXPECT_EQ(query(device).buffers, 1u);
  EXPECT_GE(query(device).bytes_in_use, before + 1000);
  EXPECT_EQ(lvx_device_close(device), LVX_INVALID_STATE);
  EXPECT_THAT(error_now().message, HasSubstr("1 buffers"));
  EXPECT_EQ(lvx_buffer_free(buffer), LVX_OK);
  EXPECT_EQ(query(device).buffers, 0u);
  EXPECT_EQ(query(device).bytes_in_use, before);
  EXPECT_EQ(lvx_buffer_free(buffer), LVX_INVALID_HANDLE);
  EXPECT_THAT(error_now().message, HasSubstr("this buffer was closed"));
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
}

TEST(Use, ABudgetIsKept) {
  lvx_cpu_options options{};
  options.struct_size = sizeof(options);
  options.threads = 1;
  options.memory_budget = 1 << 20;
  lvx_device device = 0;
  ASSERT_EQ(lvx_device_open_cpu(&options, &device), LVX_OK);
  lvx_buffer buffer = 0;
  void* data = nullptr;
  EXPECT_EQ(lvx_buffer_allocate(device, 2 << 20, &buffer, &data), LVX_OUT_OF_MEMORY);
  EXPECT_EQ(lvx_buffer_allocate(device, ~std::uint64_t{0}, &buffer, &data), LVX_OUT_OF_MEMORY);
  EXPECT_EQ(buffer, 0u);
  EXPECT_EQ(data, nullptr);
  EXPECT_EQ(query(device).buffers, 0u);
  EXPECT_EQ(lvx_buffer_allocate(device, 1000, &buffer, &data), LVX_OK);
  lvx_buffer_free(buffer);
  lvx_device_close(device);
}

TEST(Use, AfterClose) {
  const lvx_device device = open_device();
  lvx_group group = 0;
  ASSERT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK);
  EXPECT_EQ(query(device).groups, 1u);
  EXPECT_EQ(lvx_device_close(device), LVX_INVALID_STATE);
  EXPECT_EQ(lvx_device_close(group), LVX_INVALID_HANDLE);
  EXPECT_THAT(error_now().message, HasSubstr("this is a group handle, a device was expected"));
  EXPECT_EQ(lvx_group_close(group), LVX_OK);
  EXPECT_EQ(lvx_group_close(group), LVX_INVALID_HANDLE);
  EXPECT_EQ(Attention().forward(group), LVX_INVALID_HANDLE);
  EXPECT_THAT(error_now().message, HasSubstr("this group was closed"));
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
  EXPECT_EQ(lvx_device_close(device), LVX_INVALID_HANDLE);
  EXPECT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_INVALID_HANDLE);
  EXPECT_THAT(error_now().message, HasSubstr("this device was closed"));
}

TEST(Use, InterruptsMayComeAtAnyTime) {
  const lvx_device device = open_device();
  std::atomic<lvx_group> current{0};
  std::atomic<bool> over{false};
  std::thread other([&] {
    while (!over) {
      const lvx_status status = lvx_group_interrupt(current, "now");
      EXPECT_TRUE(status == LVX_OK || status == LVX_INVALID_HANDLE) << error_now().message;
    }
  });
  for (int i = 0; i < 200; ++i) {
    lvx_group group = 0;
    ASSERT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK) << error_now().message;
    current = group;
    EXPECT_EQ(lvx_group_barrier(group), LVX_OK) << "a group of one rank waits for nobody";
    EXPECT_EQ(lvx_group_close(group), LVX_OK) << error_now().message;
  }
  over = true;
  other.join();
  EXPECT_EQ(lvx_group_interrupt(current, "now"), LVX_INVALID_HANDLE);
  EXPECT_EQ(lvx_group_interrupt(current, nullptr), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_bootstrap_interrupt(current, "now"), LVX_INVALID_HANDLE);
  EXPECT_EQ(lvx_bootstrap_interrupt(current, nullptr), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
}

TEST(Use, ABootstrapThatWasInterruptedDoesNotConnect) {
  const lvx_device device = open_device();
  std::array<lvx_bootstrap, 2> ranks{};
  std::vector<std::uint8_t> addresses;
  std::uint64_t length = 0;
  for (int rank = 0; rank < 2; ++rank) {
    lvx_bootstrap& bootstrap = ranks[static_cast<std::size_t>(rank)];
    ASSERT_EQ(lvx_gloo_begin(rank, 2, "127.0.0.1", nullptr, &bootstrap), LVX_OK) << error_now().message;
    ASSERT_EQ(lvx_bootstrap_address(bootstrap, nullptr, 0, &length), LVX_OK);
    std::vector<std::uint8_t> address(length);
    ASSERT_EQ(lvx_bootstrap_address(bootstrap, address.data(), length, &length), LVX_OK);
    addresses.insert(addresses.end(), address.begin(), address.end());
  }
  EXPECT_EQ(lvx_bootstrap_interrupt(ranks[1], "too late for this"), LVX_OK);
  lvx_group group = 0;
  EXPECT_EQ(lvx_bootstrap_connect(ranks[1], device, addresses.data(), addresses.size(), &group),
            LVX_INTERRUPTED);
  EXPECT_THAT(error_now().message, HasSubstr("rank 0: too late for this"));
  for (const lvx_bootstrap bootstrap : ranks) EXPECT_EQ(lvx_bootstrap_close(bootstrap), LVX_OK);
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
}

TEST(Use, TheLastErrorStaysWithItsThread) {
  EXPECT_EQ(lvx_device_close(0), LVX_INVALID_HANDLE);
  std::thread([] {
    const lvx_error none = error_now();
    EXPECT_EQ(none.status, LVX_OK);
    EXPECT_EQ(none.rank, -1);
    EXPECT_STREQ(none.argument, "");
    EXPECT_STREQ(none.message, "");
  }).join();
  EXPECT_EQ(error_now().status, LVX_INVALID_HANDLE);
  EXPECT_EQ(lvx_last_error(nullptr), LVX_INVALID_ARGUMENT);
}

TEST(Use, StructsOfLaterVersionsWork) {
  struct {
    lvx_cpu_options options;
    std::uint64_t later;
  } asked{};
  asked.options.struct_size = sizeof(asked);
  asked.options.threads = 1;
  lvx_device device = 0;
  ASSERT_EQ(lvx_device_open_cpu(&asked.options, &device), LVX_OK) << error_now().message;
  struct {
    lvx_device_info info;
    std::uint64_t later;
  } answer{};
  answer.info.struct_size = sizeof(answer);
  answer.later = 99;
  EXPECT_EQ(lvx_device_query(device, &answer.info), LVX_OK);
  EXPECT_EQ(answer.info.struct_size, sizeof(answer));
  EXPECT_EQ(answer.later, 0u);
  lvx_device_close(device);
  asked.later = 1;
  EXPECT_EQ(lvx_device_open_cpu(&asked.options, &device), LVX_INVALID_ARGUMENT);
  EXPECT_THAT(error_now().message, HasSubstr("later version"));
}

TEST(Use, FusedGradientBuffersAreAccepted) {
  const lvx_device device = open_device();
  lvx_group group = 0;
  ASSERT_EQ(lvx_group_create_self(device, nullptr, &group), LVX_OK);
  Attention a;
  ASSERT_EQ(a.forward(group), LVX_OK);
  OwnedTensor d_o(DType::kFloat64, {2, 5, 4, 16});
  OwnedTensor dq(DType::kFloat64, {2, 5, 4, 16});
  OwnedTensor dkv(DType::kFloat64, {2, 7, 2, 2, 16});  // [B, S, 2, H, D]
  fill(d_o, 4);
  OwnedTensor dk(DType::kFloat64, {2, 7, 2, 16});
  OwnedTensor dv(DType::kFloat64, {2, 7, 2, 16});
  dk.strides = {7 * 64, 64, 16, 1};
  dv.strides = dk.strides;
  dk.tensor.data = dkv.memory.data();
  dv.tensor.data = dkv.memory.data();
  dv.tensor.byte_offset = 32 * sizeof(double);
  const lvx_attention_options options = attention_options();
  const auto backward = [&] {
    return lvx_attention_backward(group, &options, a.q, a.k, a.v, nullptr, nullptr, a.o, a.lse, d_o, dq, dk,
                                  dv, nullptr, nullptr);
  };
  EXPECT_EQ(backward(), LVX_OK) << error_now().message;
  dv.tensor.byte_offset = 24 * sizeof(double);
  EXPECT_EQ(backward(), LVX_INVALID_ARGUMENT);
  EXPECT_THAT(error_now().message, HasSubstr("dv: expected memory of its own, got an overlap with dk"));
  lvx_group_close(group);
  lvx_device_close(device);
}

TEST(Use, WithoutQueriesTheReferencesGradientsAreZero) {
  const DType dtype = DType::kFloat64;
  OwnedTensor q(dtype, {1, 0, 4, 16}), o(dtype, {1, 0, 4, 16}), d_o(dtype, {1, 0, 4, 16}),
      dq(dtype, {1, 0, 4, 16});
  OwnedTensor k(dtype, {1, 7, 2, 16}), v(dtype, {1, 7, 2, 16}), dk(dtype, {1, 7, 2, 16}),
      dv(dtype, {1, 7, 2, 16});
  OwnedTensor lse(dtype, {1, 4, 0}), bias(dtype, {1, 1, 1, 7}), dbias(dtype, {1, 1, 1, 7});
  for (OwnedTensor* gradient : {&dk, &dv, &dbias}) fill(*gradient, 5);
  ASSERT_EQ(lvx_reference_backward(0.25, q, k, v, nullptr, bias, o, lse, d_o, dq, dk, dv, dbias), LVX_OK)
      << error_now().message;
  for (int i = 0; i < 7; ++i) EXPECT_EQ(dbias.as<double>()[i], 0.0);
  for (int i = 0; i < 7 * 2 * 16; ++i) EXPECT_EQ(dk.as<double>()[i], 0.0);
}

TEST(Use, RecordsAndQueriesOfAGroup) {
  const lvx_device device = open_device();
  lvx_group_options options{};
  options.struct_size = sizeof(options);
  options.recorder_entries = 4;
  lvx_group group = 0;
  ASSERT_EQ(lvx_group_create_self(device, &options, &group), LVX_OK);
  ASSERT_EQ(lvx_group_barrier(group), LVX_OK) << error_now().message;
  ASSERT_EQ(lvx_group_set_timeout(group, 2.5), LVX_OK);
  EXPECT_EQ(lvx_group_set_timeout(group, -1), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_group_set_timeout(group, std::nan("")), LVX_INVALID_ARGUMENT);
  Attention attention;
  attention.q.tensor.ndim = 3;
  EXPECT_EQ(attention.forward(group), LVX_INVALID_ARGUMENT);
  const lvx_error error = error_now();
  EXPECT_STREQ(error.operation, "attention_forward");
  EXPECT_STREQ(error.argument, "q");
  EXPECT_EQ(error.sequence, 2u);
  EXPECT_EQ(error.rank, -1);
  lvx_group_info info{};
  info.struct_size = sizeof(info);
  ASSERT_EQ(lvx_group_query(group, &info), LVX_OK);
  EXPECT_EQ(info.kind, LVX_GROUP_SELF);
  EXPECT_EQ(info.size, 1);
  EXPECT_EQ(info.failed, 0);
  EXPECT_EQ(info.sequence, 2u);
  EXPECT_EQ(info.timeout_seconds, 2.5);
  lvx_record records[8];
  std::uint64_t count = 0;
  ASSERT_EQ(lvx_group_records(group, records, 8, &count), LVX_OK);
  ASSERT_EQ(count, 2u);
  EXPECT_STREQ(records[0].operation, "barrier");
  EXPECT_EQ(records[1].status, LVX_INVALID_ARGUMENT);
  lvx_group_close(group);
  lvx_device_close(device);
}

TEST(Use, SecretsOfAGroupAreBoundedAndNeverTold) {
  const lvx_device device = open_device();
  lvx_group_options options{};
  options.struct_size = sizeof(options);
  const auto made = [&] {
    lvx_group group = 0;
    const lvx_status status = lvx_group_create_self(device, &options, &group);
    if (status == LVX_OK) lvx_group_close(group);
    return status;
  };
  const std::string longest(LVX_SECRET_BYTES, 'x'), too_long = longest + "secret";
  options.secret = longest.c_str();
  EXPECT_EQ(made(), LVX_OK);
  options.secret = too_long.c_str();
  EXPECT_EQ(made(), LVX_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error_now().message).find("options.secret"), std::string::npos);
  EXPECT_EQ(std::string(error_now().message).find("xx"), std::string::npos);
  options.secret = "";
  EXPECT_EQ(made(), LVX_INVALID_ARGUMENT);
  options.secret = nullptr;
  options.without_checksums = 1;
  EXPECT_EQ(made(), LVX_OK);
  options.without_checksums = 2;
  EXPECT_EQ(made(), LVX_INVALID_ARGUMENT);
  lvx_device_close(device);
}

// Two ranks, each a thread with its own device.
class TwoRanks : public testing::Test {
 protected:
  void SetUp() override {
    lvx_group_options options{};
    options.struct_size = sizeof(options);
    options.timeout_seconds = 20;
    ASSERT_EQ(lvx_local_world_create(2, &options, &world), LVX_OK) << error_now().message;
    for (int rank = 0; rank < 2; ++rank) {
      devices[rank] = open_device();
      ASSERT_EQ(lvx_local_world_join(world, rank, devices[rank], &groups[rank]), LVX_OK)
          << error_now().message;
    }
  }
  void TearDown() override {
    for (int rank = 0; rank < 2; ++rank) {
      lvx_group_close(groups[rank]);
      EXPECT_EQ(lvx_device_close(devices[rank]), LVX_OK) << error_now().message;
    }
    EXPECT_EQ(lvx_local_world_close(world), LVX_OK);
  }

  lvx_world world = 0;
  lvx_device devices[2] = {};
  lvx_group groups[2] = {};
};

TEST_F(TwoRanks, AWrongArgumentOfOneReleasesTheOther) {
  Attention good;
  Attention bad;
  bad.k.tensor.dtype.bits = 32;
  lvx_error seen{};
  const auto begin = std::chrono::steady_clock::now();
  std::thread peer([&] {
    EXPECT_EQ(good.forward(groups[0]), LVX_PEER_MISMATCH);
    seen = error_now();
  });
  EXPECT_EQ(bad.forward(groups[1]), LVX_INVALID_ARGUMENT);
  peer.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_EQ(seen.rank, 1);
  EXPECT_STREQ(seen.operation, "attention_forward");
  EXPECT_EQ(seen.sequence, 1u);
  EXPECT_STREQ(seen.argument, "k");  // of rank 1
  EXPECT_THAT(seen.message, HasSubstr("k: expected dtype float64 like q, got float32"));

  std::thread again([&] { EXPECT_EQ(good.forward(groups[0]), LVX_OK) << error_now().message; });
  Attention other;
  EXPECT_EQ(other.forward(groups[1]), LVX_OK) << error_now().message;
  again.join();
}

TEST_F(TwoRanks, AnOperationThatIsDeclinedReleasesTheOther) {
  EXPECT_EQ(lvx_group_decline(groups[1], LVX_OPERATION_FORWARD, "v: it was closed"), LVX_OK);
  Attention good;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(good.forward(groups[0]), LVX_PEER_MISMATCH);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  const lvx_error seen = error_now();
  EXPECT_EQ(seen.rank, 1);
  EXPECT_EQ(seen.sequence, 1u);
  EXPECT_THAT(seen.message, HasSubstr("rank 1"));
  EXPECT_THAT(seen.message, HasSubstr("attention_forward: v: it was closed"));

  std::thread peer([&] { EXPECT_EQ(lvx_group_barrier(groups[0]), LVX_OK) << error_now().message; });
  EXPECT_EQ(lvx_group_barrier(groups[1]), LVX_OK) << error_now().message;
  peer.join();
}

TEST_F(TwoRanks, AReasonOfAnyLengthIsTaken) {
  EXPECT_EQ(lvx_group_decline(groups[1], LVX_OPERATION_BARRIER, std::string(5000, 'x').c_str()), LVX_OK);
  EXPECT_EQ(lvx_group_barrier(groups[0]), LVX_PEER_MISMATCH);
  EXPECT_THAT(error_now().message, HasSubstr(std::string(255, 'x')));
}

TEST_F(TwoRanks, NothingCanBeDeclinedInAGroupThatFailed) {
  ASSERT_EQ(lvx_group_set_timeout(groups[0], 0.05), LVX_OK);
  EXPECT_EQ(lvx_group_barrier(groups[0]), LVX_TIMEOUT);
  EXPECT_EQ(lvx_group_decline(groups[0], LVX_OPERATION_FORWARD, "too late"), LVX_INVALID_STATE);
}

TEST_F(TwoRanks, AGroupThatWaitsIsNotForASecondThread) {
  std::thread waiting([&] { EXPECT_EQ(lvx_group_barrier(groups[0]), LVX_OK) << error_now().message; });
  lvx_record record{};
  std::uint64_t count = 0;
  while (count == 0) ASSERT_EQ(lvx_group_records(groups[0], &record, 1, &count), LVX_OK);
  EXPECT_EQ(lvx_group_barrier(groups[0]), LVX_INVALID_STATE);
  EXPECT_THAT(error_now().message, HasSubstr("in use by another thread"));
  EXPECT_EQ(lvx_group_close(groups[0]), LVX_INVALID_STATE);
  EXPECT_EQ(lvx_group_barrier(groups[1]), LVX_OK) << error_now().message;
  waiting.join();
}

TEST_F(TwoRanks, OneThatLeavesIsNamed) {
  lvx_error seen{};
  std::thread waiting([&] {
    EXPECT_EQ(lvx_group_barrier(groups[0]), LVX_PEER_LOST);
    seen = error_now();
  });
  EXPECT_EQ(lvx_group_close(groups[1]), LVX_OK);
  waiting.join();
  EXPECT_EQ(seen.rank, 1);
  EXPECT_STREQ(seen.operation, "barrier");
}

TEST_F(TwoRanks, RanksAndDevicesAreTakenOnce) {
  lvx_group group = 77;
  const lvx_device spare = open_device();
  EXPECT_EQ(lvx_local_world_join(world, 1, spare, &group), LVX_INVALID_STATE);
  EXPECT_EQ(lvx_local_world_join(world, 2, spare, &group), LVX_INVALID_ARGUMENT);
  EXPECT_THAT(error_now().message, HasSubstr("rank: expected 0 to 1, got 2"));
  EXPECT_EQ(lvx_local_world_join(world, 1, devices[0], &group), LVX_INVALID_STATE);
  EXPECT_EQ(group, 77u);
  EXPECT_EQ(lvx_device_close(spare), LVX_OK);
}

}  // namespace
}  // namespace lvx::test
