// SPDX-License-Identifier: Apache-2.0
#include "schedule/all_reduce.h"

#include <gtest/gtest.h>

#include <random>

#include "support/gloo_ranks.h"
#include "support/local_ranks.h"
#include "support/seed.h"

namespace lvx::test {
namespace {

enum class Backend { kLocal, kGloo };

class AllReduce : public testing::TestWithParam<Backend> {
 protected:
  static void run_well(int size, const RankBody& body) {
    if (GetParam() == Backend::kLocal) {
      run_ranks_well(size, body);
    } else {
      run_gloo_ranks_well(size, body);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Local, AllReduce, testing::Values(Backend::kLocal));
INSTANTIATE_TEST_SUITE_P(Gloo, AllReduce, testing::Values(Backend::kGloo));

template <typename T>
constexpr DType kTypeOf = sizeof(T) == sizeof(double) ? DType::kFloat64 : DType::kFloat32;

template <typename T>
std::vector<T> numbers_of(int rank, std::size_t count) {
  std::mt19937 random(seeded(static_cast<unsigned>(rank) + 1));
  std::normal_distribution<double> normal;
  std::vector<T> numbers(count);
  for (T& number : numbers) number = static_cast<T>(normal(random));
  return numbers;
}

template <typename T>
void reduce(Group& group, std::vector<T>& numbers) {
  all_reduce(group, reinterpret_cast<std::byte*>(numbers.data()), kTypeOf<T>,
             static_cast<std::int64_t>(numbers.size()));
}

std::uint64_t bytes_sent_last(const Group& group) {
  std::vector<lvx_record> records(100);
  const std::uint64_t count = group.recorder().copy(records);
  return records[std::min<std::uint64_t>(count, records.size()) - 1].bytes_sent;
}

template <typename T>
void expect_sums(int size, std::size_t count, void (*run)(int, const RankBody&)) {
  SCOPED_TRACE(std::to_string(size) + " ranks, " + std::to_string(count) + " elements");
  std::vector<double> expected(count, 0.0);
  for (int rank = 0; rank < size; ++rank) {
    const std::vector<T> numbers = numbers_of<T>(rank, count);
    for (std::size_t i = 0; i < count; ++i) expected[i] += static_cast<double>(numbers[i]);
  }
  std::vector<std::vector<T>> results(static_cast<std::size_t>(size)), again(static_cast<std::size_t>(size));
  std::vector<std::uint64_t> sent(static_cast<std::size_t>(size));
  run(size, [&](Group& group) {
    const auto rank = static_cast<std::size_t>(group.rank());
    results[rank] = again[rank] = numbers_of<T>(group.rank(), count);
    reduce(group, results[rank]);
    sent[rank] = bytes_sent_last(group);
    reduce(group, again[rank]);
  });
  std::uint64_t all_sent = 0;
  for (int rank = 0; rank < size; ++rank) {
    const auto r = static_cast<std::size_t>(rank);
    all_sent += sent[r];
    ASSERT_EQ(results[r], results[0]) << "rank " << rank;
    ASSERT_EQ(again[r], results[0]) << "rank " << rank;
  }
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_NEAR(static_cast<double>(results[0][i]), expected[i], sizeof(T) == 8 ? 1e-13 : 1e-5) << i;
  }
  // All ranks but one send each chunk once while it is summed, and all but one send it once more when it is complete.
  EXPECT_EQ(all_sent, 2 * static_cast<std::uint64_t>(size - 1) * count * sizeof(T));
}

TEST_P(AllReduce, GivesEveryRankTheSameSums) {
  for (const int size : {1, 2, 3, 4, 5}) {
    for (const std::size_t count : {0, 1, 2, 7, 1000, 100003}) {
      expect_sums<double>(size, count, run_well);
      expect_sums<float>(size, count, run_well);
    }
  }
}

TEST_P(AllReduce, NamesTheRankWithAnotherTensorAndStaysUsable) {
  run_well(3, [](Group& group) {
    std::vector<float> floats(group.rank() == 1 ? 11 : 10, 1.0f);
    try {
      reduce(group, floats);
      ADD_FAILURE() << "no mismatch of elements";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), LVX_PEER_MISMATCH);
      EXPECT_EQ(error.peer(), group.rank() == 1 ? 0 : 1);
      EXPECT_NE(std::string(error.what()).find("elements"), std::string::npos) << error.what();
    }
    std::vector<double> doubles(10, 1.0);
    floats.resize(10);
    try {
      group.rank() == 2 ? reduce(group, doubles) : reduce(group, floats);
      ADD_FAILURE() << "no mismatch of dtypes";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), LVX_PEER_MISMATCH);
      EXPECT_NE(std::string(error.what()).find("float64"), std::string::npos) << error.what();
    }
    EXPECT_EQ(floats[0], 1.0f);
    reduce(group, doubles);
    EXPECT_EQ(doubles, std::vector<double>(10, 3.0));
  });
}

TEST(AllReduceMemory, HoldsOneChunkBesideTheTensor) {
  run_ranks_well(4, [](Group& group) {
    std::vector<double> numbers(4000, 1.0);
    reduce(group, numbers);
    EXPECT_LE(group.device().peak_bytes(), 1000 * sizeof(double) + 64);
    EXPECT_EQ(group.device().bytes_in_use(), 0u);
  });
}

}  // namespace
}  // namespace lvx::test
