// SPDX-License-Identifier: Apache-2.0
// Two levels: a block and its result cross the network between nodes once per node, not once per rank.
//
// A block enters a node at its *leader*, one of the node's ranks that it visits; in its own node, the home is the leader. The
// leader forwards it to the node's other workers, merges their results with its own and sends one sum home.
//
// Nodes are visited in rounds. In round t, a node computes the blocks of the node t places before it; round 0 is its own. Four
// transfers overlap with this: the blocks of round t + 2 arrive at their leaders, those of round t + 1 are forwarded by the
// leaders to the workers, the results of round t - 1 are sent to the leaders, and the sums of round t - 2 are sent home. Each
// rank computes a part of its own block before round 0, and the rest while the last sums are sent home.
#include <algorithm>
#include <vector>

#include "schedule/schedules.h"

namespace lvx {
namespace {

constexpr int kNone = -1;

// A worker's result on its way to this rank, the leader of home's block.
struct Arrival {
  int home;
  int worker;
  Workspace::Piece result{};
};

// Another rank's block at this rank.
struct Visitor {
  int home;
  int leader;
  Workspace::Piece block{}, result{};
  Workspace::Piece sum{};  // leader only
};

struct Round {
  std::vector<Visitor> visitors;
  std::vector<Arrival> arrivals;
  int leader = kNone;  // leader of this rank's own block in the node that computes it in this round
  Workspace::Piece sum{};
};

class TwoLevel {
 public:
  TwoLevel(Collective& collective, QueryPass& pass)
      : collective_(collective),
        pass_(pass),
        rank_(collective.rank()),
        size_(collective.size()),
        per_node_(collective.ranks_per_node()),
        node_(rank_ / per_node_),
        nodes_((size_ + per_node_ - 1) / per_node_),
        rounds_(static_cast<std::size_t>(nodes_)) {}

  void run();

 private:
  // A round's memory is in use from two rounds before its computation to two rounds after it.
  static constexpr int kRoundsAtOnce = 5;

  bool has_round(int round) const { return round >= 0 && round < nodes_; }
  Round& at(int round) { return rounds_[static_cast<std::size_t>(round)]; }
  int first_of(int node) const { return node * per_node_; }
  int end_of(int node) const { return std::min(size_, first_of(node) + per_node_); }
  bool works_for(int home) const { return pass_.visits(home, rank_); }

  int leader_of(int home, int node) const;
  void plan(int round);
  std::int64_t place(int round, Workspace::Piece base);
  void reserve();
  void move(int round);
  void compute(int round);
  void merge(int round);

  void send(int to, std::byte* data, std::int64_t bytes) {
    transfers_.push_back(send_to(to, data, static_cast<std::size_t>(bytes)));
  }
  void receive(int from, Workspace::Piece piece, std::int64_t bytes) {
    transfers_.push_back(receive_from(from, workspace_.at(piece), static_cast<std::size_t>(bytes)));
  }

  Collective& collective_;
  QueryPass& pass_;
  const int rank_;
  const int size_;
  const int per_node_;
  const int node_;
  const int nodes_;
  std::vector<Round> rounds_;
  Workspace workspace_;
  std::vector<Transfer> transfers_;
};

// The leader of home's block in a node: the first rank there that the block visits, starting at home's index in its own node, so
// that the blocks of one node are spread over the ranks of another. kNone if it visits no rank there.
int TwoLevel::leader_of(int home, int node) const {
  const int first = first_of(node);
  const int count = end_of(node) - first;
  for (int i = 0; i < count; ++i) {
    const int rank = first + (home % per_node_ + i) % count;
    if (pass_.visits(home, rank)) return rank;
  }
  return kNone;
}

void TwoLevel::plan(int number) {
  Round& round = at(number);
  const int home_node = (node_ - number + nodes_) % nodes_;
  for (int home = first_of(home_node); home < end_of(home_node); ++home) {
    const int leader = number == 0 ? home : leader_of(home, node_);
    if (works_for(home)) round.visitors.push_back({home, leader});
    if (leader != rank_) continue;
    for (int worker = first_of(node_); worker < end_of(node_); ++worker) {
      if (worker != rank_ && pass_.visits(home, worker)) round.arrivals.push_back({home, worker});
    }
  }
  if (number > 0) round.leader = leader_of(rank_, (node_ + number) % nodes_);
}

// Lays out a round's memory from base on; returns its size.
std::int64_t TwoLevel::place(int number, Workspace::Piece base) {
  Workspace layout;
  Round& round = at(number);
  for (Visitor& visitor : round.visitors) {
    visitor.block = base + layout.reserve(pass_.block_bytes(visitor.home));
    visitor.result = base + layout.reserve(pass_.result_bytes(visitor.home, rank_));
    if (visitor.leader == rank_) visitor.sum = base + layout.reserve(pass_.sum_bytes(visitor.home));
  }
  for (Arrival& arrival : round.arrivals) {
    arrival.result = base + layout.reserve(pass_.result_bytes(arrival.home, arrival.worker));
  }
  if (round.leader != kNone) round.sum = base + layout.reserve(pass_.result_bytes(rank_, round.leader));
  return static_cast<std::int64_t>(layout.bytes());
}

void TwoLevel::reserve() {
  std::int64_t largest = 0;
  for (int round = 0; round < nodes_; ++round) {
    plan(round);
    largest = std::max(largest, place(round, 0));
  }
  std::vector<Workspace::Piece> bases(static_cast<std::size_t>(std::min(kRoundsAtOnce, nodes_)));
  for (Workspace::Piece& base : bases) base = workspace_.reserve(largest);
  for (int round = 0; round < nodes_; ++round)
    place(round, bases[static_cast<std::size_t>(round) % bases.size()]);
  pass_.reserve(workspace_);
  workspace_.allocate(collective_);
}

// Starts the transfers that overlap with a round. Both ends list the transfers between them in the same order.
void TwoLevel::move(int round) {
  if (has_round(round + 2)) {
    const Round& coming = at(round + 2);
    if (coming.leader != kNone) send(coming.leader, pass_.block(), pass_.block_bytes(rank_));
    for (const Visitor& visitor : coming.visitors) {
      if (visitor.leader == rank_) receive(visitor.home, visitor.block, pass_.block_bytes(visitor.home));
    }
  }
  if (has_round(round + 1)) {
    const Round& next = at(round + 1);
    for (const Arrival& worker : next.arrivals) {
      std::byte* block = pass_.block();
      for (const Visitor& visitor : next.visitors) {
        if (visitor.home == worker.home) block = workspace_.at(visitor.block);
      }
      send(worker.worker, block, pass_.block_bytes(worker.home));
    }
    for (const Visitor& visitor : next.visitors) {
      if (visitor.leader != rank_) receive(visitor.leader, visitor.block, pass_.block_bytes(visitor.home));
    }
  }
  if (has_round(round - 1)) {
    const Round& last = at(round - 1);
    for (const Visitor& visitor : last.visitors) {
      if (visitor.leader == rank_) continue;
      send(visitor.leader, workspace_.at(visitor.result), pass_.result_bytes(visitor.home, rank_));
    }
    for (const Arrival& arrival : last.arrivals) {
      receive(arrival.worker, arrival.result, pass_.result_bytes(arrival.home, arrival.worker));
    }
  }
  if (has_round(round - 2)) {
    const Round& gone = at(round - 2);
    for (const Visitor& visitor : gone.visitors) {
      if (visitor.leader != rank_) continue;
      send(visitor.home, workspace_.at(visitor.result), pass_.result_bytes(visitor.home, rank_));
    }
    if (gone.leader != kNone) receive(gone.leader, gone.sum, pass_.result_bytes(rank_, gone.leader));
  }
}

void TwoLevel::compute(int round) {
  if (round == -1) pass_.compute_own_first();
  if (round == nodes_ + 1) pass_.compute_own_second();
  if (!has_round(round)) return;
  for (const Visitor& visitor : at(round).visitors) {
    std::byte* block = workspace_.at(visitor.block);
    if (visitor.leader == rank_) {
      pass_.start_sum(visitor.home, block, workspace_.at(visitor.sum));
    } else {
      pass_.compute_visitor(visitor.home, block, nullptr, workspace_.at(visitor.result));
    }
  }
}

// Processes the results that arrived while a round was computed.
void TwoLevel::merge(int round) {
  if (has_round(round - 1)) {
    Round& last = at(round - 1);
    for (const Arrival& arrival : last.arrivals) {
      std::byte* result = workspace_.at(arrival.result);
      if (arrival.home == rank_) {
        pass_.merge(arrival.worker, result);
        continue;
      }
      const auto visitor = std::find_if(last.visitors.begin(), last.visitors.end(),
                                        [&](const Visitor& other) { return other.home == arrival.home; });
      pass_.add_to_sum(arrival.home, result, workspace_.at(visitor->sum));
    }
    for (const Visitor& visitor : last.visitors) {
      if (visitor.leader != rank_) continue;
      pass_.finish_sum(visitor.home, workspace_.at(visitor.sum), workspace_.at(visitor.result));
    }
  }
  if (has_round(round - 2) && at(round - 2).leader != kNone) {
    pass_.merge(at(round - 2).leader, workspace_.at(at(round - 2).sum));
  }
}

void TwoLevel::run() {
  reserve();
  collective_.compute([&] { pass_.begin(workspace_); });
  for (int round = -1; round <= nodes_ + 1; ++round) {
    transfers_.clear();
    move(round);
    const Ticket ticket = collective_.start(transfers_);
    collective_.compute([&] { compute(round); });
    collective_.wait(ticket);
    collective_.compute([&] { merge(round); });
  }
  collective_.compute([&] { pass_.finish(); });
}

}  // namespace

void run_two_level(Collective& collective, QueryPass& pass) { TwoLevel(collective, pass).run(); }

}  // namespace lvx
