// SPDX-License-Identifier: Apache-2.0
// lvx_plan_rank: invalid arguments, which errors must name, and how many steps it writes.
#include <gmock/gmock.h>
#include <lvx/lvx.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "owned_tensor.h"

namespace lvx::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Question {
  std::array<std::int64_t, 2> queries{4, 3}, keys{10, 0}, ranges{1, 1};
  std::array<std::uint8_t, 4> sees{1, 0, 1, 0};
  lvx_plan_options options{};

  Question() {
    options.struct_size = sizeof(options);
    options.operation = LVX_OPERATION_FORWARD;
    options.strategy = LVX_QUERY_RING;
    options.ranks = 2;
    options.dtype_code = LVX_FLOAT;
    options.dtype_bits = 32;
    options.query_heads = 4;
    options.key_heads = 2;
    options.head_dim = 16;
    options.batch = 1;
    options.queries = queries.data();
    options.keys = keys.data();
  }
};

TEST(Plan, RefusesWhatNoCallCouldBe) {
  using Change = std::function<void(Question&)>;
  const std::vector<std::pair<const char*, Change>> wrong{
      {"options.operation", [](Question& q) { q.options.operation = LVX_OPERATION_BARRIER; }},
      {"options.strategy", [](Question& q) { q.options.strategy = 0; }},
      {"options.strategy", [](Question& q) { q.options.operation = LVX_OPERATION_VISUAL_FORWARD; }},
      {"options.ranks", [](Question& q) { q.options.ranks = 0; }},
      {"options.ranks_per_node", [](Question& q) { q.options.ranks_per_node = -1; }},
      {"options.dtype", [](Question& q) { q.options.dtype_bits = 24; }},
      {"query_heads", [](Question& q) { q.options.query_heads = 3; }},
      {"key_heads", [](Question& q) { q.options.key_heads = 0; }},
      {"head_dim", [](Question& q) { q.options.head_dim = 12; }},
      {"options.layout", [](Question& q) { q.options.layout = 8; }},
      {"options.batch", [](Question& q) { q.options.batch = -1; }},
      {"options.queries", [](Question& q) { q.options.queries = nullptr; }},
      {"options.queries[1]", [](Question& q) { q.queries[1] = -1; }},
      {"options.keys[0]", [](Question& q) { q.keys[0] = (std::int64_t{1} << 40) + 1; }},
      {"2^55 elements of k",
       [](Question& q) {
         q.keys[0] = std::int64_t{1} << 40;
         q.options.batch = 1 << 20;
       }},
      {"options.sees", [](Question& q) { q.options.ranges = q.ranges.data(); }},
      {"options.bias_dtype",
       [](Question& q) {
         q.options.bias_dtype_bits = 64;
         q.options.bias_dtype_code = LVX_FLOAT;
       }},
      {"options.bias_rows",
       [](Question& q) {
         q.options.bias_dtype_bits = 32;
         q.options.bias_dtype_code = LVX_FLOAT;
         q.options.bias_batch = q.options.bias_heads = 1;
         q.options.bias_rows = 4;
       }},
      {"options.width",
       [](Question& q) {
         q.options.operation = LVX_OPERATION_VISUAL_BACKWARD;
         q.options.strategy = LVX_QUERY_GATHER;
         q.options.tile_rows = 1;
       }},
      {"options.reserved", [](Question& q) { q.options.reserved = 1; }},
      {"options.struct_size", [](Question& q) { q.options.struct_size = 8; }},
  };
  for (const auto& [name, change] : wrong) {
    Question question;
    change(question);
    std::uint64_t count = 77;
    EXPECT_EQ(lvx_plan_rank(0, &question.options, 0, nullptr, 0, &count, nullptr), LVX_INVALID_ARGUMENT)
        << name;
    EXPECT_THAT(error_now().message, HasSubstr(name));
    // Without the index of an element.
    EXPECT_THAT(error_now().message, StartsWith(error_now().argument));
    EXPECT_THAT(error_now().argument, Not(HasSubstr("[")));
    EXPECT_STRNE(error_now().argument, "");
    EXPECT_EQ(count, 77u) << name;
  }
  const Question question;
  std::uint64_t count = 77;
  for (const std::int32_t rank : {-1, 2}) {
    EXPECT_EQ(lvx_plan_rank(0, &question.options, rank, nullptr, 0, &count, nullptr), LVX_INVALID_ARGUMENT);
    EXPECT_THAT(error_now().message, HasSubstr("rank: expected 0 to 1"));
  }
  EXPECT_EQ(lvx_plan_rank(0, &question.options, 0, nullptr, 1, &count, nullptr), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_plan_rank(0, &question.options, 0, nullptr, 0, nullptr, nullptr), LVX_INVALID_ARGUMENT);
  EXPECT_EQ(lvx_plan_rank(12345, &question.options, 0, nullptr, 0, &count, nullptr), LVX_INVALID_HANDLE);
  EXPECT_EQ(count, 77u);
}

TEST(Plan, SaysWhatAStrategyCannotServeAsTheCallWould) {
  Question question;
  question.options.strategy = LVX_HEAD_ALL_TO_ALL;
  question.options.query_heads = 6;
  question.options.key_heads = 2;
  std::uint64_t count = 0;
  EXPECT_EQ(lvx_plan_rank(0, &question.options, 0, nullptr, 0, &count, nullptr), LVX_OK);
  question.options.query_heads = question.options.key_heads = 3;
  EXPECT_EQ(lvx_plan_rank(0, &question.options, 0, nullptr, 0, &count, nullptr), LVX_UNSUPPORTED);
  EXPECT_THAT(error_now().message, HasSubstr("do not go round 2 ranks"));
}

TEST(Plan, WritesAsManyStepsAsFitAndCountsAll) {
  const Question question;
  std::uint64_t count = 0;
  ASSERT_EQ(lvx_plan_rank(0, &question.options, 1, nullptr, 0, &count, nullptr), LVX_OK);
  ASSERT_GT(count, 2u);
  std::vector<lvx_plan_step> steps(count + 1);
  lvx_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  std::uint64_t again = 0;
  ASSERT_EQ(lvx_plan_rank(0, &question.options, 1, steps.data(), count - 1, &again, &statistics), LVX_OK);
  EXPECT_EQ(again, count);
  EXPECT_NE(steps[count - 2].kind, 0);
  EXPECT_EQ(steps[count - 1].kind, 0);
  // Rank 1 has no keys: it sends its queries to rank 0 and gets its results from there.
  EXPECT_EQ(statistics.messages_sent, 1u);
  EXPECT_EQ(statistics.bytes_sent, 3u * 4 * 16 * 4);
  EXPECT_EQ(statistics.bytes_received, 3u * 4 * (16 + 1) * 4);
}

}  // namespace
}  // namespace lvx::test
