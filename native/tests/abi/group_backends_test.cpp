// SPDX-License-Identifier: Apache-2.0
// Groups of processes through the C ABI: both ways to form a group over the stand-in for NCCL, rejected arguments, and the
// report of rejected connections.
#include <gtest/gtest.h>
#include <lvx/lvx.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "group/tcp/rank_address.h"
#include "group/tcp/socket.h"
#include "support/nccl_ranks.h"

namespace {

constexpr std::int32_t kRanks = 3;

std::string last_message() {
  lvx_error error{};
  error.struct_size = sizeof(error);
  lvx_last_error(&error);
  return error.message;
}

// Owns a rank's device and group.
void gather_and_close(lvx_device device, lvx_group group, std::int32_t rank) {
  const std::uint8_t mine = static_cast<std::uint8_t>(10 + rank);
  std::array<std::uint8_t, kRanks> all{};
  EXPECT_EQ(lvx_group_all_gather(group, &mine, 1, all.data()), LVX_OK) << last_message();
  EXPECT_EQ(all, (std::array<std::uint8_t, kRanks>{10, 11, 12}));
  lvx_group_info info{};
  info.struct_size = sizeof(info);
  EXPECT_EQ(lvx_group_query(group, &info), LVX_OK);
  EXPECT_EQ(info.kind, LVX_GROUP_NCCL);
  EXPECT_EQ(info.rank, rank);
  EXPECT_EQ(info.size, kRanks);
  EXPECT_EQ(lvx_group_close(group), LVX_OK);
  EXPECT_EQ(lvx_device_close(device), LVX_OK) << last_message();
}

template <typename Rank>
void run_threads(Rank&& body) {
  lvx::test::live_communicators();  // makes the library find the stand-in
  std::vector<std::thread> threads;
  for (std::int32_t rank = 0; rank < kRanks; ++rank) threads.emplace_back([&body, rank] { body(rank); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lvx::test::live_communicators(), 0);
}

TEST(NcclAbi, RanksMeetByTheirAddresses) {
  std::array<lvx_bootstrap, kRanks> bootstraps{};
  std::vector<std::uint8_t> addresses;
  lvx::test::live_communicators();
  for (std::int32_t rank = 0; rank < kRanks; ++rank) {
    lvx_bootstrap& bootstrap = bootstraps[static_cast<std::size_t>(rank)];
    ASSERT_EQ(lvx_nccl_begin(rank, kRanks, "127.0.0.1", nullptr, &bootstrap), LVX_OK) << last_message();
    std::uint64_t length = 0;
    ASSERT_EQ(lvx_bootstrap_address(bootstrap, nullptr, 0, &length), LVX_OK);
    std::vector<std::uint8_t> address(length);
    ASSERT_EQ(lvx_bootstrap_address(bootstrap, address.data(), length, &length), LVX_OK);
    addresses.insert(addresses.end(), address.begin(), address.end());
  }
  run_threads([&](std::int32_t rank) {
    const lvx_bootstrap bootstrap = bootstraps[static_cast<std::size_t>(rank)];
    lvx_device device = 0;
    lvx_group group = 0;
    ASSERT_EQ(lvx_device_open_cpu(nullptr, &device), LVX_OK);
    ASSERT_EQ(lvx_bootstrap_connect(bootstrap, device, addresses.data(), addresses.size(), &group), LVX_OK)
        << last_message();
    lvx_group again = 0;
    EXPECT_EQ(lvx_bootstrap_connect(bootstrap, device, addresses.data(), addresses.size(), &again),
              LVX_INVALID_STATE);
    EXPECT_EQ(lvx_bootstrap_close(bootstrap), LVX_OK);
    EXPECT_EQ(lvx_bootstrap_close(bootstrap), LVX_INVALID_HANDLE);
    gather_and_close(device, group, rank);
  });
}

lvx_rejected_connections last_rejected_connections() {
  lvx_rejected_connections rejected{};
  rejected.struct_size = sizeof(rejected);
  EXPECT_EQ(lvx_last_rejected_connections(&rejected), LVX_OK) << last_message();
  return rejected;
}

// Rejected connections are reported after this rank's attempt to connect, and cleared by its next attempt.
TEST(GlooAbi, RejectedConnectionsAreReportedAfterAFailure) {
  lvx_device device = 0;
  ASSERT_EQ(lvx_device_open_cpu(nullptr, &device), LVX_OK);
  lvx_group_options options{};
  options.struct_size = sizeof(options);
  options.timeout_seconds = 0.5;
  for (const bool called_on : {true, false}) {
    std::array<lvx_bootstrap, 2> bootstraps{};
    std::vector<std::uint8_t> addresses;
    for (std::int32_t rank = 0; rank < 2; ++rank) {
      lvx_bootstrap& bootstrap = bootstraps[static_cast<std::size_t>(rank)];
      ASSERT_EQ(lvx_gloo_begin(rank, 2, "127.0.0.1", &options, &bootstrap), LVX_OK) << last_message();
      std::uint64_t length = 0;
      ASSERT_EQ(lvx_bootstrap_address(bootstrap, nullptr, 0, &length), LVX_OK);
      const std::size_t offset = addresses.size();
      addresses.resize(offset + length);
      ASSERT_EQ(lvx_bootstrap_address(bootstrap, addresses.data() + offset, length, &length), LVX_OK);
    }
    std::vector<lvx::Socket> callers;
    if (called_on) {
      lvx::RankAddress first;
      std::memcpy(&first, addresses.data(), sizeof(first));
      for (int i = 0; i < LVX_REJECTED_CONNECTION_LINES + 5; ++i) {
        callers.push_back(lvx::Socket::connecting(first.socket));
        shutdown(callers.back().descriptor(), SHUT_WR);
      }
    }
    lvx_group group = 0;
    EXPECT_EQ(lvx_bootstrap_connect(bootstraps[0], device, addresses.data(), addresses.size(), &group),
              LVX_TIMEOUT);
    const lvx_rejected_connections seen = last_rejected_connections();
    EXPECT_EQ(seen.count, callers.size());
    for (const auto& line : seen.lines) {
      EXPECT_EQ(std::string(line),
                called_on ? "127.0.0.1 left before it had proved to be of this group" : "");
    }
    for (const lvx_bootstrap bootstrap : bootstraps) EXPECT_EQ(lvx_bootstrap_close(bootstrap), LVX_OK);
  }
  EXPECT_EQ(lvx_last_rejected_connections(nullptr), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
}

TEST(NcclAbi, RanksMeetByAnId) {
  lvx::test::live_communicators();
  std::array<std::uint8_t, LVX_NCCL_ID_BYTES> id{};
  ASSERT_EQ(lvx_nccl_new_id(id.data()), LVX_OK) << last_message();
  run_threads([&](std::int32_t rank) {
    lvx_device device = 0;
    lvx_group group = 0;
    ASSERT_EQ(lvx_device_open_cpu(nullptr, &device), LVX_OK);
    ASSERT_EQ(lvx_group_create_nccl(device, rank, kRanks, id.data(), "127.0.0.1", nullptr, &group), LVX_OK)
        << last_message();
    gather_and_close(device, group, rank);
  });
}

TEST(NcclAbi, WrongArgumentsAreNamed) {
  lvx::test::live_communicators();
  lvx_device device = 0;
  lvx_group group = 0;
  lvx_bootstrap bootstrap = 0;
  std::array<std::uint8_t, LVX_NCCL_ID_BYTES> id{};
  ASSERT_EQ(lvx_device_open_cpu(nullptr, &device), LVX_OK);
  const auto expect_named = [](lvx_status status, lvx_status expected, const char* name) {
    EXPECT_EQ(status, expected) << name;
    EXPECT_TRUE(last_message().starts_with(name)) << last_message();
  };
  expect_named(lvx_nccl_new_id(nullptr), LVX_INVALID_ARGUMENT, "id");
  expect_named(lvx_nccl_begin(0, 1, nullptr, nullptr, nullptr), LVX_INVALID_ARGUMENT, "bootstrap");
  expect_named(lvx_nccl_begin(1, 1, nullptr, nullptr, &bootstrap), LVX_INVALID_ARGUMENT, "rank");
  expect_named(lvx_nccl_begin(0, 0, nullptr, nullptr, &bootstrap), LVX_INVALID_ARGUMENT, "size");
  expect_named(lvx_nccl_begin(0, 1, "192.0.2.77", nullptr, &bootstrap), LVX_INVALID_ARGUMENT, "host");
  expect_named(lvx_group_create_nccl(device, 0, 1, nullptr, nullptr, nullptr, &group), LVX_INVALID_ARGUMENT,
               "id");
  expect_named(lvx_group_create_nccl(device, 0, 1, id.data(), nullptr, nullptr, nullptr),
               LVX_INVALID_ARGUMENT, "group");
  expect_named(lvx_group_create_nccl(device, 2, 2, id.data(), nullptr, nullptr, &group), LVX_INVALID_ARGUMENT,
               "rank");
  expect_named(lvx_group_create_nccl(device + 1, 0, 1, id.data(), nullptr, nullptr, &group),
               LVX_INVALID_HANDLE, "device");
  expect_named(lvx_group_load_backend(LVX_GROUP_NCCL + 1), LVX_INVALID_ARGUMENT, "kind");
  EXPECT_EQ(lvx_group_load_backend(LVX_GROUP_NCCL), LVX_OK) << last_message();
  EXPECT_EQ(group, 0u);
  EXPECT_EQ(bootstrap, 0u);
  EXPECT_EQ(lvx_device_close(device), LVX_OK);
}

}  // namespace
