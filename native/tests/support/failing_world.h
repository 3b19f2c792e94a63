// SPDX-License-Identifier: Apache-2.0
// A group in which one rank fails. Checks the errors of the other ranks, and that released memory is not written.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "schedule/all_reduce.h"
#include "support/expected_traffic.h"
#include "support/injected_failure.h"
#include "support/local_ranks.h"
#include "support/visual_shares.h"

namespace lvx::test {

// The call of every rank. Throws if the results differ from those of one rank.
struct Job {
  int ranks = 0;
  std::function<void(Group&)> body;
};

using RunRanks = std::function<std::vector<std::exception_ptr>(int size, const GroupOptions& options,
                                                               const RankBody& body, const RankParts& parts)>;

// The first random problem, from a seed on, with a small number (more than one) of ranks that the strategy supports.
inline Job attention_job(lvx_strategy strategy, std::uint64_t seed) {
  for (;; ++seed) {
    const auto random = std::make_shared<const RandomProblem>(seed);
    if (random->ranks < 2 || random->ranks > 5) continue;
    if (strategy == LVX_HEAD_ALL_TO_ALL && !heads_divide(*random)) continue;
    return {random->ranks, [=](Group& group) {
              Results results(*random);
              compute_share(group, *random, strategy, results);
            }};
  }
}

inline Job visual_job(std::uint64_t seed) {
  for (;; ++seed) {
    const auto visual = std::make_shared<const VisualProblem>(seed);
    if (visual->random.ranks < 2 || visual->random.ranks > 5) continue;
    return {visual->random.ranks, [=](Group& group) {
              VisualResults results(*visual);
              compute_visual_share(group, *visual, results);
            }};
  }
}

inline Job all_reduce_job(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const int ranks = std::uniform_int_distribution<int>(2, 5)(random);
  const auto elements = std::uniform_int_distribution<std::int64_t>(1, 5000)(random);
  return {ranks, [=](Group& group) {
            const auto bytes = static_cast<std::size_t>(elements) * sizeof(double);
            const DeviceMemory data(group.device(), bytes);
            group.device().zero(data.data(), bytes);
            all_reduce(group, data.data(), DType::kFloat64, elements);
          }};
}

// The means by which data moves between ranks.
struct Movement {
  const char* name;
  std::function<Job(std::uint64_t seed)> job;
};

inline Movement attention(const char* name, lvx_strategy strategy) {
  return {name, [=](std::uint64_t seed) { return attention_job(strategy, seed); }};
}

inline const std::vector<Movement>& movements() {
  static const std::vector<Movement> all = {attention("QueryRing", LVX_QUERY_RING),
                                            attention("QueryGather", LVX_QUERY_GATHER),
                                            attention("KvRing", LVX_KV_RING),
                                            attention("KvGather", LVX_KV_GATHER),
                                            attention("HeadAllToAll", LVX_HEAD_ALL_TO_ALL),
                                            attention("TwoLevel", LVX_TWO_LEVEL),
                                            {"RecomputeTiled", visual_job},
                                            {"AllReduce", all_reduce_job}};
  return all;
}

inline std::shared_ptr<Device> plain_device(std::size_t budget) {
  return make_cpu_device({.threads = 1, .memory_budget = budget});
}

class FailingWorld {
 public:
  FailingWorld(RunRanks run, Job job, std::function<std::shared_ptr<Device>(std::size_t budget)> make_device,
               const Links& links = {})
      : run_(std::move(run)), job_(std::move(job)), make_device_(std::move(make_device)) {
    options_.timeout_seconds = 30;
    options_.ranks_per_node = 2;
    options_.links = links;
  }

  int ranks() const { return job_.ranks; }

  // Runs without a failure, to count each rank's steps and measure its memory.
  void rehearse() {
    const std::vector<std::exception_ptr> thrown = run({}, -1, 0);
    for (const std::exception_ptr& one : thrown) ASSERT_FALSE(one) << error_of(one).what();
  }
  int steps(int rank, Step step) const { return at(rank).fuse->count(step); }
  std::size_t peak_bytes(int rank) const { return at(rank).device->peak_bytes(); }

  void fail_at(int victim, const Injection& injection) {
    const std::vector<std::exception_ptr> thrown = run(injection, victim, 0);
    EXPECT_TRUE(at(victim).fuse->blown());
    expect_failure(victim, thrown);
  }
  void fail_for_memory(int victim, std::size_t budget) {
    const std::vector<std::exception_ptr> thrown = run({}, victim, budget);
    EXPECT_EQ(error_of(thrown[static_cast<std::size_t>(victim)]).status(), LVX_OUT_OF_MEMORY);
    expect_failure(victim, thrown);
  }

 private:
  struct Rank {
    std::shared_ptr<Fuse> fuse;
    std::shared_ptr<Device> device;
  };

  const Rank& at(int rank) const { return ranks_[static_cast<std::size_t>(rank)]; }

  std::vector<std::exception_ptr> run(const Injection& injection, int victim, std::size_t budget) {
    Quarantine quarantine;
    ranks_.assign(static_cast<std::size_t>(job_.ranks), {});
    for (int rank = 0; rank < job_.ranks; ++rank) {
      Rank& made = ranks_[static_cast<std::size_t>(rank)];
      made.fuse = std::make_shared<Fuse>(rank == victim ? injection : Injection{});
      made.device =
          std::make_shared<FailingDevice>(make_device_(rank == victim ? budget : 0), quarantine, made.fuse);
    }
    RankParts parts;
    parts.device = [&](int rank) { return at(rank).device; };
    parts.transport = [&](int rank, std::unique_ptr<Transport> joined) {
      return std::make_unique<FailingTransport>(std::move(joined), at(rank).fuse);
    };
    // A rank that needs nothing more from the failed rank learns of the failure in the next call.
    std::vector<std::exception_ptr> thrown = run_(
        job_.ranks, options_,
        [&](Group& group) {
          job_.body(group);
          group.barrier();
        },
        parts);
    EXPECT_EQ(quarantine.spoilt(), 0) << "blocks were written after their release";
    return thrown;
  }

  void expect_failure(int victim, const std::vector<std::exception_ptr>& thrown) const {
    EXPECT_TRUE(thrown[static_cast<std::size_t>(victim)]);
    for (int rank = 0; rank < job_.ranks; ++rank) {
      if (rank == victim) continue;
      const Error error = error_of(thrown[static_cast<std::size_t>(rank)]);
      EXPECT_EQ(error.status(), LVX_PEER_LOST) << "rank " << rank << ": " << error.what();
      EXPECT_EQ(error.peer(), victim) << "rank " << rank << ": " << error.what();
    }
  }

  const RunRanks run_;
  const Job job_;
  const std::function<std::shared_ptr<Device>(std::size_t budget)> make_device_;
  GroupOptions options_;
  std::vector<Rank> ranks_;  // of the last run
};

}  // namespace lvx::test
