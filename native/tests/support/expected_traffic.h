// SPDX-License-Identifier: Apache-2.0
// An independent implementation of the formulas of docs/schedules.md for what each rank sends.
#pragma once

#include <ostream>
#include <vector>

#include "group/group.h"
#include "support/random_problem.h"

namespace lvx::test {

struct Traffic {
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
  std::uint64_t inter_node_bytes = 0;

  friend bool operator==(const Traffic&, const Traffic&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Traffic& traffic) {
    return out << traffic.bytes << " bytes, " << traffic.messages << " messages, " << traffic.inter_node_bytes
               << " between nodes";
  }
};

inline Traffic traffic_of(const lvx_statistics& statistics) {
  return {statistics.bytes_sent, statistics.messages_sent, statistics.inter_node_bytes_sent};
}

inline bool heads_divide(const RandomProblem& random) {
  const std::int64_t group = random.shape.query_heads / random.shape.key_heads;
  const std::int64_t share = random.shape.query_heads / random.ranks;
  return random.shape.query_heads % random.ranks == 0 && (share % group == 0 || group % share == 0);
}

// For float64: elements and accumulators have 8 bytes. The gradient of the bias is always computed.
class TrafficFormulas {
 public:
  TrafficFormulas(const RandomProblem& random, const GroupOptions& options, bool backward)
      : random_(random),
        ranks_(random.ranks),
        per_node_(options.ranks_per_node == 0 ? random.ranks : options.ranks_per_node),
        backward_(backward),
        sent_(static_cast<std::size_t>(random.ranks)) {}

  const std::vector<Traffic>& sent() const { return sent_; }

  void query_ring() {
    for_each_pair([&](int home, int worker) {
      send(source(home, worker, [&](int rank) { return random_.sees(home, rank); }), worker, out(home));
      send(worker, home, back(home));
    });
  }
  void query_gather() {
    for_each_pair([&](int home, int worker) {
      send(home, worker, out(home));
      send(worker, home, back(home));
    });
  }
  void kv_ring() {
    for_each_pair([&](int worker, int home) {
      send(source(home, worker, [&](int rank) { return random_.sees(rank, home); }), worker, 2 * keys(home));
      key_results(home, worker);
    });
  }
  void kv_gather() {
    for_each_pair([&](int worker, int home) {
      send(home, worker, 2 * keys(home));
      key_results(home, worker);
    });
  }
  void head_all_to_all() {
    for (int home = 0; home < ranks_; ++home) {
      bool sees = false, seen = false;
      for (int rank = 0; rank < ranks_; ++rank) {
        sees = sees || random_.sees(home, rank);
        seen = seen || random_.sees(rank, home);
      }
      for (int worker = 0; worker < ranks_; ++worker) {
        if (worker == home) continue;
        std::int64_t share = 0, result = 0;
        if (sees) {
          share += (out(home) - ranges(home)) / ranks_ + ranges(home);
          result += back(home) / ranks_;
        }
        if (seen) {
          const std::int64_t part = keys(home) * key_heads(worker) / random_.shape.key_heads;
          const std::int64_t heads = random_.bias_heads == 1 ? 1 : random_.shape.query_heads / ranks_;
          const std::int64_t bias =
              random_.has_bias ? random_.bias_batch * heads * random_.bias_rows * random_.keys(home) * 8 : 0;
          share += 2 * part + bias;
          if (backward_) result += 2 * part + bias;
        }
        send(home, worker, share);
        send(worker, home, result);
      }
    }
  }
  void two_level() {
    for (int home = 0; home < ranks_; ++home) {
      for (int node = 0; node * per_node_ < ranks_; ++node) {
        const int first = node * per_node_;
        const int count = std::min(per_node_, ranks_ - first);
        int leader = home;
        if (home / per_node_ != node) {
          leader = -1;
          for (int i = count - 1; i >= 0; --i) {
            const int rank = first + (home % per_node_ + i) % count;
            if (random_.sees(home, rank)) leader = rank;
          }
          if (leader < 0) continue;
          send(home, leader, out(home));
          send(leader, home, back(home));
        }
        for (int rank = first; rank < first + count; ++rank) {
          if (rank == leader || !random_.sees(home, rank)) continue;
          send(leader, rank, out(home));
          send(rank, leader, back(home));
        }
      }
    }
  }

 private:
  template <typename Body>
  void for_each_pair(Body&& body) const {
    for (int queries_of = 0; queries_of < ranks_; ++queries_of) {
      for (int keys_of = 0; keys_of < ranks_; ++keys_of) {
        if (queries_of != keys_of && random_.sees(queries_of, keys_of)) body(queries_of, keys_of);
      }
    }
  }
  template <typename Visits>
  int source(int home, int worker, Visits&& visits) const {
    const int before = (worker + ranks_ - 1) % ranks_;
    return before == home || visits(before) ? before : home;
  }
  void key_results(int home, int worker) {
    const std::int64_t bias = slice(home, worker);
    send(home, worker, bias);
    if (backward_) send(worker, home, 2 * keys(home) + bias);
  }
  void send(int from, int to, std::int64_t bytes) {
    if (bytes == 0) return;
    Traffic& traffic = sent_[static_cast<std::size_t>(from)];
    traffic.bytes += static_cast<std::uint64_t>(bytes);
    ++traffic.messages;
    if (from / per_node_ != to / per_node_) traffic.inter_node_bytes += static_cast<std::uint64_t>(bytes);
  }

  std::int64_t rows(int home) const {
    return random_.shape.batch * random_.queries(home) * random_.shape.query_heads * 8;
  }
  std::int64_t queries(int home) const { return rows(home) * random_.shape.head_dim; }
  std::int64_t keys(int home) const {
    return random_.shape.batch * random_.keys(home) * random_.shape.key_heads * random_.shape.head_dim * 8;
  }
  std::int64_t ranges(int home) const {
    return random_.shape.batch * random_.queries(home) * random_.ranges * 8;
  }
  std::int64_t out(int home) const {
    return (backward_ ? 2 * queries(home) + lse(home) + rows(home) : queries(home)) + ranges(home);
  }
  std::int64_t back(int home) const { return backward_ ? queries(home) : queries(home) + lse(home); }
  // In two terms if there is a bias.
  std::int64_t lse(int home) const { return (random_.has_bias ? 2 : 1) * rows(home); }
  std::int64_t slice(int home, int worker) const {
    if (!random_.has_bias) return 0;
    const std::int64_t bias_rows = random_.bias_rows == 1 ? 1 : random_.queries(worker);
    return random_.bias_batch * random_.bias_heads * bias_rows * random_.keys(home) * 8;
  }
  std::int64_t key_heads(int worker) const {
    const std::int64_t group = random_.shape.query_heads / random_.shape.key_heads;
    const std::int64_t share = random_.shape.query_heads / ranks_;
    return (worker * share + share - 1) / group - worker * share / group + 1;
  }

  const RandomProblem& random_;
  const int ranks_;
  const int per_node_;
  const bool backward_;
  std::vector<Traffic> sent_;
};

inline std::vector<Traffic> expected_traffic(const RandomProblem& random, lvx_strategy strategy,
                                             const GroupOptions& options, bool backward) {
  TrafficFormulas formulas(random, options, backward);
  switch (strategy) {
    case LVX_QUERY_RING:
      formulas.query_ring();
      break;
    case LVX_QUERY_GATHER:
      formulas.query_gather();
      break;
    case LVX_KV_RING:
      formulas.kv_ring();
      break;
    case LVX_KV_GATHER:
      formulas.kv_gather();
      break;
    case LVX_HEAD_ALL_TO_ALL:
      formulas.head_all_to_all();
      break;
    case LVX_TWO_LEVEL:
      formulas.two_level();
      break;
  }
  return formulas.sent();
}

}  // namespace lvx::test
