// SPDX-License-Identifier: Apache-2.0
// The gather: two communication steps for any number of ranks, at the cost of memory for all blocks at once. With queries as
// blocks, it suits decoding and very short text. With keys and values as blocks, it is the scheme of Megatron's context
// parallelism.
//
// All blocks are sent at the start. Rank r computes them in the order r - 1, r - 2, ..., each after it has arrived, and sends
// each result home while it computes the next. It computes a part of its own block before the visitors and the rest after
// them.
#include <vector>

#include "schedule/schedules.h"

namespace lvx {
namespace {

class Gather {
 public:
  Gather(Collective& collective, Pass& pass)
      : collective_(collective),
        pass_(pass),
        rank_(collective.rank()),
        size_(collective.size()),
        peers_(static_cast<std::size_t>(size_)) {}

  void run();

 private:
  // What this rank exchanges with two peers at one distance: it works for the home at that distance, and the worker at that
  // distance works for it.
  struct Peer {
    Workspace::Piece block{}, side{}, result{}, leaving_side{}, arriving_result{};
    Ticket blocks = 0, results = 0;
  };

  int home_at(int step) const { return (rank_ - step + size_) % size_; }
  int worker_at(int step) const { return (rank_ + step) % size_; }
  Peer& at(int step) { return peers_[static_cast<std::size_t>(step)]; }

  void reserve();
  void start_blocks(int step);
  void start_results(int step);
  void add_send(int to, std::byte* data, std::int64_t bytes) {
    if (bytes > 0) transfers_.push_back(send_to(to, data, static_cast<std::size_t>(bytes)));
  }
  void add_receive(int from, Workspace::Piece piece, std::int64_t bytes) {
    if (bytes > 0)
      transfers_.push_back(receive_from(from, workspace_.at(piece), static_cast<std::size_t>(bytes)));
  }

  Collective& collective_;
  Pass& pass_;
  const int rank_;
  const int size_;
  std::vector<Peer> peers_;  // by step; 0 is unused
  Workspace workspace_;
  std::vector<Transfer> transfers_;
};

void Gather::reserve() {
  for (int step = 1; step < size_; ++step) {
    Peer& peer = at(step);
    const int home = home_at(step);
    if (pass_.visits(home, rank_)) {
      peer.block = workspace_.reserve(pass_.block_bytes(home));
      peer.side = workspace_.reserve(pass_.side_bytes(home, rank_));
      peer.result = workspace_.reserve(pass_.result_bytes(home, rank_));
    }
    const int worker = worker_at(step);
    if (pass_.visits(rank_, worker)) {
      peer.leaving_side = workspace_.reserve(pass_.side_bytes(rank_, worker));
      peer.arriving_result = workspace_.reserve(pass_.result_bytes(rank_, worker));
    }
  }
  pass_.reserve(workspace_);
  workspace_.allocate(collective_);
}

void Gather::start_blocks(int step) {
  Peer& peer = at(step);
  transfers_.clear();
  const int worker = worker_at(step);
  if (pass_.visits(rank_, worker)) {
    add_send(worker, pass_.block(), pass_.block_bytes(rank_));
    if (pass_.side_bytes(rank_, worker) > 0) {
      collective_.compute([&] { pass_.pack_side(worker, workspace_.at(peer.leaving_side)); });
      add_send(worker, workspace_.at(peer.leaving_side), pass_.side_bytes(rank_, worker));
    }
  }
  const int home = home_at(step);
  if (pass_.visits(home, rank_)) {
    add_receive(home, peer.block, pass_.block_bytes(home));
    add_receive(home, peer.side, pass_.side_bytes(home, rank_));
  }
  peer.blocks = collective_.start(transfers_);
}

void Gather::start_results(int step) {
  Peer& peer = at(step);
  transfers_.clear();
  const int home = home_at(step);
  if (pass_.visits(home, rank_)) add_send(home, workspace_.at(peer.result), pass_.result_bytes(home, rank_));
  const int worker = worker_at(step);
  if (pass_.visits(rank_, worker))
    add_receive(worker, peer.arriving_result, pass_.result_bytes(rank_, worker));
  peer.results = collective_.start(transfers_);
}

void Gather::run() {
  reserve();
  collective_.compute([&] { pass_.begin(workspace_); });
  for (int step = 1; step < size_; ++step) start_blocks(step);
  collective_.compute([&] { pass_.compute_own_first(); });
  for (int step = 1; step < size_; ++step) {
    Peer& peer = at(step);
    collective_.wait(peer.blocks);
    const int home = home_at(step);
    if (pass_.visits(home, rank_)) {
      collective_.compute([&] {
        pass_.compute_visitor(home, workspace_.at(peer.block), workspace_.at(peer.side),
                              workspace_.at(peer.result));
      });
    }
    start_results(step);
  }
  collective_.compute([&] { pass_.compute_own_second(); });
  for (int step = 1; step < size_; ++step) {
    Peer& peer = at(step);
    collective_.wait(peer.results);
    const int worker = worker_at(step);
    if (pass_.visits(rank_, worker) && pass_.result_bytes(rank_, worker) > 0) {
      collective_.compute([&] { pass_.merge(worker, workspace_.at(peer.arriving_result)); });
    }
  }
  collective_.compute([&] { pass_.finish(); });
}

}  // namespace

void run_gather(Collective& collective, Pass& pass) { Gather(collective, pass).run(); }

}  // namespace lvx
