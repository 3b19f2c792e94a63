// SPDX-License-Identifier: Apache-2.0
// Two levels: between nodes a block and its result cross the network once per node, not once per rank.
//
// A block enters a node at its *door*, one of the ranks there that it visits; the home is the door of its own node. The
// door hands it to the node's other workers, merges their results with its own and sends one sum home.
//
// Nodes are visited in rounds: in round t a node computes the blocks whose home lies t nodes before it; round 0 is its
// own. While it does, the blocks of round t + 2 come to their doors, those of round t + 1 go from the doors to the
// workers, the results of round t - 1 go to the doors, and the sums of round t - 2 go home. Each rank's own block
// frames the visitors: part of it before round 0, the rest while the last sums go home.
#include "schedule/two_level.h"

#include <algorithm>
#include <vector>

namespace lvx {
namespace {

constexpr int kNone = -1;

// A worker's result on its way to this rank, the door of home's block.
struct Arrival {
  int home;
  int worker;
  Workspace::Piece result{};
};

// Another rank's block at this rank.
struct Visitor {
  int home;
  int door;
  Workspace::Piece block{}, result{};
  Workspace::Piece sum{};  // at the door only
};

struct Round {
  std::vector<Visitor> visitors;
  std::vector<Arrival> arrivals;
  int door = kNone;  // where this rank's own block enters the node that computes it in this round
  Workspace::Piece sum{};
};

class TwoLevel {
 public:
  TwoLevel(Call& call, QueryPass& pass)
      : call_(call),
        pass_(pass),
        rank_(call.rank()),
        size_(call.size()),
        per_node_(call.ranks_per_node()),
        node_(rank_ / per_node_),
        nodes_((size_ + per_node_ - 1) / per_node_),
        rounds_(static_cast<std::size_t>(nodes_)) {}

  void run();

 private:
  // A round's memory is used from two rounds before its computation to two rounds after it.
  static constexpr int kRoundsAtOnce = 5;

  bool has_round(int round) const { return round >= 0 && round < nodes_; }
  Round& at(int round) { return rounds_[static_cast<std::size_t>(round)]; }
  int first_of(int node) const { return node * per_node_; }
  int end_of(int node) const { return std::min(size_, first_of(node) + per_node_); }
  bool works_for(int home) const { return pass_.visits(home, rank_); }

  int door_of(int home, int node) const;
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

  Call& call_;
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

// The first rank of the node that home's block visits, counted from the place that home has in its own node: so the
// blocks of one node spread over the doors of another. kNone if it visits none.
int TwoLevel::door_of(int home, int node) const {
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
    const int door = number == 0 ? home : door_of(home, node_);
    if (works_for(home)) round.visitors.push_back({home, door});
    if (door != rank_) continue;
    for (int worker = first_of(node_); worker < end_of(node_); ++worker) {
      if (worker != rank_ && pass_.visits(home, worker)) round.arrivals.push_back({home, worker});
    }
  }
  if (number > 0) round.door = door_of(rank_, (node_ + number) % nodes_);
}

// Lays out a round's memory from base on; returns how much that is.
std::int64_t TwoLevel::place(int number, Workspace::Piece base) {
  Workspace layout;
  Round& round = at(number);
  for (Visitor& visitor : round.visitors) {
    visitor.block = base + layout.reserve(pass_.block_bytes(visitor.home));
    visitor.result = base + layout.reserve(pass_.result_bytes(visitor.home, rank_));
    if (visitor.door == rank_) visitor.sum = base + layout.reserve(pass_.sum_bytes(visitor.home));
  }
  for (Arrival& arrival : round.arrivals) {
    arrival.result = base + layout.reserve(pass_.result_bytes(arrival.home, arrival.worker));
  }
  if (round.door != kNone) round.sum = base + layout.reserve(pass_.result_bytes(rank_, round.door));
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
  workspace_.allocate(call_);
}

// Starts what moves while round is computed. Peers list what passes between two ranks in the same order.
void TwoLevel::move(int round) {
  if (has_round(round + 2)) {
    const Round& coming = at(round + 2);
    if (coming.door != kNone) send(coming.door, pass_.block(), pass_.block_bytes(rank_));
    for (const Visitor& visitor : coming.visitors) {
      if (visitor.door == rank_) receive(visitor.home, visitor.block, pass_.block_bytes(visitor.home));
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
      if (visitor.door != rank_) receive(visitor.door, visitor.block, pass_.block_bytes(visitor.home));
    }
  }
  if (has_round(round - 1)) {
    const Round& last = at(round - 1);
    for (const Visitor& visitor : last.visitors) {
      if (visitor.door == rank_) continue;
      send(visitor.door, workspace_.at(visitor.result), pass_.result_bytes(visitor.home, rank_));
    }
    for (const Arrival& arrival : last.arrivals) {
      receive(arrival.worker, arrival.result, pass_.result_bytes(arrival.home, arrival.worker));
    }
  }
  if (has_round(round - 2)) {
    const Round& gone = at(round - 2);
    for (const Visitor& visitor : gone.visitors) {
      if (visitor.door != rank_) continue;
      send(visitor.home, workspace_.at(visitor.result), pass_.result_bytes(visitor.home, rank_));
    }
    if (gone.door != kNone) receive(gone.door, gone.sum, pass_.result_bytes(rank_, gone.door));
  }
}

void TwoLevel::compute(int round) {
  if (round == -1) pass_.compute_own_first();
  if (round == nodes_ + 1) pass_.compute_own_second();
  if (!has_round(round)) return;
  for (const Visitor& visitor : at(round).visitors) {
    std::byte* block = workspace_.at(visitor.block);
    if (visitor.door == rank_) {
      pass_.start_sum(visitor.home, block, workspace_.at(visitor.sum));
    } else {
      pass_.compute_visitor(visitor.home, block, nullptr, workspace_.at(visitor.result));
    }
  }
}

// Takes in what arrived while round was computed.
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
      if (visitor.door != rank_) continue;
      pass_.finish_sum(visitor.home, workspace_.at(visitor.sum), workspace_.at(visitor.result));
    }
  }
  if (has_round(round - 2) && at(round - 2).door != kNone) {
    pass_.merge(at(round - 2).door, workspace_.at(at(round - 2).sum));
  }
}

void TwoLevel::run() {
  reserve();
  call_.compute([&] { pass_.begin(workspace_); });
  for (int round = -1; round <= nodes_ + 1; ++round) {
    transfers_.clear();
    move(round);
    const Ticket ticket = call_.start(transfers_);
    call_.compute([&] { compute(round); });
    call_.wait(ticket);
    call_.compute([&] { merge(round); });
  }
  call_.compute([&] { pass_.finish(); });
}

}  // namespace

void run_two_level(Call& call, QueryPass& pass) { TwoLevel(call, pass).run(); }

}  // namespace lvx
