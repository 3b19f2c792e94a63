// SPDX-License-Identifier: Apache-2.0
// QUERY_RING, after LV-XAttn (arXiv 2502.02406).
//
// In step t (1 to size - 1) rank r computes the block whose home is r - t. While it computes, three things are in
// flight: the block of step t + 1 arrives, the result of step t - 1 goes home, and another rank's result for r's own
// queries arrives. r's own block frames the visitors: half of it in step 0, half of it in step size.
//
// A block takes the way round the ring, but ranks of which it sees no key are left out. Its next rank then gets it from
// home instead of from its predecessor, which does not have it.
#include "schedule/query_ring.h"

#include <algorithm>
#include <array>
#include <vector>

namespace lvx {
namespace {

class Ring {
 public:
  Ring(Call& call, const Shards& shards, QueryPass& pass)
      : call_(call), shards_(shards), pass_(pass), rank_(call.rank()), size_(call.size()) {}

  void run();

 private:
  int wrap(int rank) const { return ((rank % size_) + size_) % size_; }
  // The block that rank computes in step.
  int home_at(int rank, int step) const { return wrap(rank - step); }
  bool visits(int home, int rank) const { return home != rank && shards_.sees(home, rank); }
  // Who hands home's block to rank, its visitor.
  int source(int home, int rank) const {
    const int before = wrap(rank - 1);
    return before == home || visits(home, before) ? before : home;
  }

  void reserve();
  void start_visitors(int step);
  void start_results(int step);

  Call& call_;
  const Shards& shards_;
  QueryPass& pass_;
  const int rank_;
  const int size_;

  Workspace workspace_;
  std::array<Workspace::Piece, 2> visitor_{};  // of even and odd steps: one is computed while the other arrives
  std::array<Workspace::Piece, 2> result_{};   // of even and odd steps: one is computed while the other leaves
  Workspace::Piece arriving_{};                // a peer's result for this rank's queries
  std::vector<Transfer> transfers_;
};

void Ring::reserve() {
  std::int64_t visitor_bytes = 0;
  std::int64_t result_bytes = 0;
  std::int64_t arriving_bytes = 0;
  for (int peer = 0; peer < size_; ++peer) {
    if (visits(peer, rank_)) {
      visitor_bytes = std::max(visitor_bytes, pass_.outbound_bytes(peer));
      result_bytes = std::max(result_bytes, pass_.return_bytes(peer));
    }
    if (visits(rank_, peer)) arriving_bytes = pass_.return_bytes(rank_);
  }
  for (auto& piece : visitor_) piece = workspace_.reserve(visitor_bytes);
  for (auto& piece : result_) piece = workspace_.reserve(result_bytes);
  arriving_ = workspace_.reserve(arriving_bytes);
  pass_.reserve(workspace_);
  workspace_.allocate(call_.device());
  call_.count_workspace(workspace_.bytes());
}

// What is computed in step + 1 moves during step.
void Ring::start_visitors(int step) {
  if (step + 1 >= size_) return;
  const int next = home_at(rank_, step + 1);
  if (visits(next, rank_)) {
    transfers_.push_back(receive_from(source(next, rank_), workspace_.at(visitor_[(step + 1) % 2]),
                                      static_cast<std::size_t>(pass_.outbound_bytes(next))));
  }
  // To the successor goes the block that this rank computes now; to a rank whose predecessor is left out, its own.
  const int held = home_at(rank_, step);
  if (visits(held, wrap(rank_ + 1)) && source(held, wrap(rank_ + 1)) == rank_) {
    std::byte* data = held == rank_ ? pass_.outbound() : workspace_.at(visitor_[step % 2]);
    transfers_.push_back(send_to(wrap(rank_ + 1), data, static_cast<std::size_t>(pass_.outbound_bytes(held))));
  }
  const int far = wrap(rank_ + step + 1);
  if (step > 0 && visits(rank_, far) && source(rank_, far) == rank_) {
    transfers_.push_back(
        send_to(far, pass_.outbound(), static_cast<std::size_t>(pass_.outbound_bytes(rank_))));
  }
}

// What was computed in step - 1 moves during step.
void Ring::start_results(int step) {
  if (step < 2) return;
  const int home = home_at(rank_, step - 1);
  if (visits(home, rank_)) {
    transfers_.push_back(send_to(home, workspace_.at(result_[(step - 1) % 2]),
                                 static_cast<std::size_t>(pass_.return_bytes(home))));
  }
  const int worker = wrap(rank_ + step - 1);
  if (visits(rank_, worker)) {
    transfers_.push_back(
        receive_from(worker, workspace_.at(arriving_), static_cast<std::size_t>(pass_.return_bytes(rank_))));
  }
}

void Ring::run() {
  reserve();
  call_.compute([&] { pass_.begin(workspace_); });
  for (int step = 0; step <= size_; ++step) {
    transfers_.clear();
    start_visitors(step);
    start_results(step);
    const Ticket ticket = call_.start(transfers_);

    const int home = home_at(rank_, step);
    if (step == 0) {
      call_.compute([&] { pass_.compute_own_first(); });
    } else if (step == size_) {
      call_.compute([&] { pass_.compute_own_second(); });
    } else if (visits(home, rank_)) {
      call_.compute([&] {
        pass_.compute_visitor(home, workspace_.at(visitor_[step % 2]), workspace_.at(result_[step % 2]));
      });
    }

    call_.wait(ticket);
    if (step >= 2 && visits(rank_, wrap(rank_ + step - 1))) {
      call_.compute([&] { pass_.merge(workspace_.at(arriving_)); });
    }
  }
  call_.compute([&] { pass_.finish(); });
}

}  // namespace

void query_ring(Call& call, const Shards& shards, QueryPass& pass) { Ring(call, shards, pass).run(); }

}  // namespace lvx
