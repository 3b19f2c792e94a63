// SPDX-License-Identifier: Apache-2.0
#include "abi/handles.h"

#include <gmock/gmock.h>

#include <string>
#include <thread>

#include "base/error.h"

namespace lvx {
namespace {

std::string message_of(const HandleTable& table, HandleType type, std::uint64_t handle) {
  try {
    table.find(type, handle);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), LVX_INVALID_HANDLE);
    return error.what();
  }
  return "";
}

TEST(Handles, FindWhatWasAdded) {
  HandleTable table;
  const auto object = std::make_shared<int>(7);
  const std::uint64_t handle = table.add(HandleType::kGroup, object);
  EXPECT_NE(handle, 0u);
  EXPECT_EQ(table.find(HandleType::kGroup, handle), object);
  EXPECT_EQ(table.remove(HandleType::kGroup, handle), object);
}

TEST(Handles, SayWhatIsWrong) {
  HandleTable table;
  const std::uint64_t group = table.add(HandleType::kGroup, std::make_shared<int>(1));
  const std::uint64_t device = table.add(HandleType::kDevice, std::make_shared<int>(2));
  EXPECT_THAT(message_of(table, HandleType::kDevice, group),
              testing::HasSubstr("this is a group handle, a device was expected"));
  EXPECT_THAT(message_of(table, HandleType::kDevice, 0), testing::HasSubstr("got 0"));
  table.remove(HandleType::kDevice, device);
  EXPECT_THAT(message_of(table, HandleType::kDevice, device), testing::HasSubstr("this device was closed"));
  EXPECT_THROW(table.remove(HandleType::kDevice, device), Error);
  for (const std::uint64_t forged :
       {~std::uint64_t{0}, std::uint64_t{1}, device + (std::uint64_t{9} << 20), device + 7}) {
    EXPECT_THAT(message_of(table, HandleType::kDevice, forged), testing::HasSubstr("was never a handle"));
  }
}

TEST(Handles, ASlotTakenAgainDoesNotAnswerToItsOldHandle) {
  HandleTable table;
  const std::uint64_t first = table.add(HandleType::kBuffer, std::make_shared<int>(1));
  table.remove(HandleType::kBuffer, first);
  const std::uint64_t second = table.add(HandleType::kBuffer, std::make_shared<int>(2));
  EXPECT_NE(first, second);
  EXPECT_THAT(message_of(table, HandleType::kBuffer, first), testing::HasSubstr("closed"));
}

TEST(Handles, AnObjectInUseOutlivesItsHandle) {
  HandleTable table;
  const std::uint64_t handle = table.add(HandleType::kBuffer, std::make_shared<int>(5));
  const auto used = std::static_pointer_cast<int>(table.find(HandleType::kBuffer, handle));
  table.remove(HandleType::kBuffer, handle);
  EXPECT_EQ(*used, 5);
}

TEST(Handles, ManyThreadsAddAndRemove) {
  HandleTable table;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        const auto object = std::make_shared<int>(i);
        const std::uint64_t handle = table.add(HandleType::kBuffer, object);
        EXPECT_EQ(table.find(HandleType::kBuffer, handle), object);
        table.remove(HandleType::kBuffer, handle);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace lvx
