// SPDX-License-Identifier: Apache-2.0
// The ring: LV-XAttn (arXiv 2502.02406) if blocks are queries, Ring Attention (arXiv 2310.01889) if blocks are keys and values.
//
// In step t (1 to size - 1), rank r computes the block whose home is r - t. Three transfers overlap with this: the block of step
// t + 1 arrives, the result of step t - 1 is sent home, and another rank's result for r's own block arrives. r computes a part
// of its own block in step 0, and the rest in step size.
//
// A block skips ranks that it need not visit. The next worker then gets it from its home, because the worker's predecessor does
// not have it.
#include <algorithm>
#include <array>
#include <vector>

#include "schedule/schedules.h"

namespace lvx {
namespace {

class Ring {
 public:
  Ring(Collective& collective, Pass& pass)
      : collective_(collective), pass_(pass), rank_(collective.rank()), size_(collective.size()) {}

  void run();

 private:
  int wrap(int rank) const { return ((rank % size_) + size_) % size_; }
  // The home of the block that this rank computes in a step, and the rank that computes this rank's block in that step.
  int home_at(int step) const { return wrap(rank_ - step); }
  int worker_at(int step) const { return wrap(rank_ + step); }
  // The rank that sends home's block to worker. The block must visit worker.
  int source(int home, int worker) const {
    const int before = wrap(worker - 1);
    return before == home || pass_.visits(home, before) ? before : home;
  }

  void reserve();
  void start_blocks(int step);
  void start_sides(int step);
  void start_results(int step);
  void send(int to, std::byte* data, std::int64_t bytes) {
    if (bytes > 0) transfers_.push_back(send_to(to, data, static_cast<std::size_t>(bytes)));
  }
  void receive(int from, Workspace::Piece piece, std::int64_t bytes) {
    if (bytes > 0)
      transfers_.push_back(receive_from(from, workspace_.at(piece), static_cast<std::size_t>(bytes)));
  }

  Collective& collective_;
  Pass& pass_;
  const int rank_;
  const int size_;

  Workspace workspace_;
  // Double buffers, for even and odd steps: one is computed while the other is transferred.
  std::array<Workspace::Piece, 2> block_{}, side_{}, result_{};
  Workspace::Piece leaving_side_{}, arriving_result_{};
  std::vector<Transfer> transfers_;
};

void Ring::reserve() {
  std::int64_t block = 0, side = 0, result = 0, leaving_side = 0, arriving_result = 0;
  for (int peer = 0; peer < size_; ++peer) {
    if (pass_.visits(peer, rank_)) {
      block = std::max(block, pass_.block_bytes(peer));
      side = std::max(side, pass_.side_bytes(peer, rank_));
      result = std::max(result, pass_.result_bytes(peer, rank_));
    }
    if (pass_.visits(rank_, peer)) {
      leaving_side = std::max(leaving_side, pass_.side_bytes(rank_, peer));
      arriving_result = std::max(arriving_result, pass_.result_bytes(rank_, peer));
    }
  }
  for (Workspace::Piece& piece : block_) piece = workspace_.reserve(block);
  for (Workspace::Piece& piece : side_) piece = workspace_.reserve(side);
  for (Workspace::Piece& piece : result_) piece = workspace_.reserve(result);
  leaving_side_ = workspace_.reserve(leaving_side);
  arriving_result_ = workspace_.reserve(arriving_result);
  pass_.reserve(workspace_);
  workspace_.allocate(collective_);
}

// Starts the transfers during `step` of what is computed in step + 1.
void Ring::start_blocks(int step) {
  const int next = home_at(step + 1);
  if (pass_.visits(next, rank_)) {
    receive(source(next, rank_), block_[(step + 1) % 2], pass_.block_bytes(next));
  }
  // The successor gets the block that this rank computes now. A worker whose predecessor is skipped gets this rank's own
  // block.
  const int held = home_at(step);
  const int successor = worker_at(1);
  if (pass_.visits(held, successor) && source(held, successor) == rank_) {
    send(successor, held == rank_ ? pass_.block() : workspace_.at(block_[step % 2]), pass_.block_bytes(held));
  }
  const int worker = worker_at(step + 1);
  if (step > 0 && pass_.visits(rank_, worker) && source(rank_, worker) == rank_) {
    send(worker, pass_.block(), pass_.block_bytes(rank_));
  }
}

void Ring::start_sides(int step) {
  const int home = home_at(step + 1);
  if (pass_.visits(home, rank_)) receive(home, side_[(step + 1) % 2], pass_.side_bytes(home, rank_));
  const int worker = worker_at(step + 1);
  if (pass_.visits(rank_, worker) && pass_.side_bytes(rank_, worker) > 0) {
    collective_.compute([&] { pass_.pack_side(worker, workspace_.at(leaving_side_)); });
    send(worker, workspace_.at(leaving_side_), pass_.side_bytes(rank_, worker));
  }
}

// Starts the transfers during `step` of what was computed in step - 1.
void Ring::start_results(int step) {
  const int home = home_at(step - 1);
  if (pass_.visits(home, rank_)) {
    send(home, workspace_.at(result_[(step - 1) % 2]), pass_.result_bytes(home, rank_));
  }
  const int worker = worker_at(step - 1);
  if (pass_.visits(rank_, worker)) receive(worker, arriving_result_, pass_.result_bytes(rank_, worker));
}

void Ring::run() {
  reserve();
  collective_.compute([&] { pass_.begin(workspace_); });
  for (int step = 0; step <= size_; ++step) {
    transfers_.clear();
    if (step + 1 < size_) {
      start_blocks(step);
      start_sides(step);
    }
    if (step >= 2) start_results(step);
    const Ticket ticket = collective_.start(transfers_);

    const int home = home_at(step);
    if (step == 0) {
      collective_.compute([&] { pass_.compute_own_first(); });
    } else if (step == size_) {
      collective_.compute([&] { pass_.compute_own_second(); });
    } else if (pass_.visits(home, rank_)) {
      collective_.compute([&] {
        pass_.compute_visitor(home, workspace_.at(block_[step % 2]), workspace_.at(side_[step % 2]),
                              workspace_.at(result_[step % 2]));
      });
    }

    collective_.wait(ticket);
    if (step < 2) continue;
    const int worker = worker_at(step - 1);
    if (pass_.visits(rank_, worker) && pass_.result_bytes(rank_, worker) > 0) {
      collective_.compute([&] { pass_.merge(worker, workspace_.at(arriving_result_)); });
    }
  }
  collective_.compute([&] { pass_.finish(); });
}

}  // namespace

void run_ring(Collective& collective, Pass& pass) { Ring(collective, pass).run(); }

}  // namespace lvx
