// SPDX-License-Identifier: Apache-2.0
// Exchanges sequence shards for heads, after DeepSpeed-Ulysses (arXiv 2309.14509): each rank gets some heads of all queries and
// keys, computes them, and returns the results.
//
// All shares are sent at the start. Rank r processes them in the order r, r - 1, r - 2, ..., and computes each new share against
// those that it has already. The last share completes all results: it is computed against the others one by one, and each
// result is sent while the next is computed.
#include <vector>

#include "schedule/schedules.h"

namespace lvx {
namespace {

class HeadAllToAll {
 public:
  HeadAllToAll(Collective& collective, HeadPass& pass)
      : collective_(collective),
        pass_(pass),
        rank_(collective.rank()),
        size_(collective.size()),
        peers_(static_cast<std::size_t>(size_)) {}

  void run();

 private:
  // What this rank exchanges with two peers at one distance; distance 0 is this rank itself.
  struct Peer {
    Workspace::Piece share{}, result{}, leaving_share{}, arriving_result{};
    Ticket shares = 0, results = 0;
  };

  int home_at(int step) const { return (rank_ - step + size_) % size_; }
  int worker_at(int step) const { return (rank_ + step) % size_; }
  Peer& at(int step) { return peers_[static_cast<std::size_t>(step)]; }

  void reserve();
  void start_share(int step);
  void start_result(int step);
  void compute(int step);
  void merge(int step);
  void send(int to, Workspace::Piece piece, std::int64_t bytes) {
    if (bytes > 0) transfers_.push_back(send_to(to, workspace_.at(piece), static_cast<std::size_t>(bytes)));
  }
  void receive(int from, Workspace::Piece piece, std::int64_t bytes) {
    if (bytes > 0)
      transfers_.push_back(receive_from(from, workspace_.at(piece), static_cast<std::size_t>(bytes)));
  }

  Collective& collective_;
  HeadPass& pass_;
  const int rank_;
  const int size_;
  std::vector<Peer> peers_;
  Workspace workspace_;
  std::vector<Transfer> transfers_;
};

void HeadAllToAll::reserve() {
  for (int step = 0; step < size_; ++step) {
    Peer& peer = at(step);
    peer.share = workspace_.reserve(pass_.share_bytes(home_at(step), rank_));
    peer.result = workspace_.reserve(pass_.result_bytes(home_at(step), rank_));
    if (step == 0) continue;
    peer.leaving_share = workspace_.reserve(pass_.share_bytes(rank_, worker_at(step)));
    peer.arriving_result = workspace_.reserve(pass_.result_bytes(rank_, worker_at(step)));
  }
  pass_.reserve(workspace_);
  workspace_.allocate(collective_);
}

void HeadAllToAll::start_share(int step) {
  Peer& peer = at(step);
  const int worker = worker_at(step);
  collective_.compute(
      [&] { pass_.pack_share(worker, workspace_.at(step == 0 ? peer.share : peer.leaving_share)); });
  if (step == 0) return;
  transfers_.clear();
  send(worker, peer.leaving_share, pass_.share_bytes(rank_, worker));
  receive(home_at(step), peer.share, pass_.share_bytes(home_at(step), rank_));
  peer.shares = collective_.start(transfers_);
}

void HeadAllToAll::start_result(int step) {
  Peer& peer = at(step);
  collective_.compute([&] { pass_.complete(home_at(step)); });
  if (step == 0) return;
  transfers_.clear();
  send(home_at(step), peer.result, pass_.result_bytes(home_at(step), rank_));
  receive(worker_at(step), peer.arriving_result, pass_.result_bytes(rank_, worker_at(step)));
  peer.results = collective_.start(transfers_);
}

// Computes the share of a step against itself and the shares of earlier steps.
void HeadAllToAll::compute(int step) {
  Peer& peer = at(step);
  const int home = home_at(step);
  collective_.compute([&] { pass_.take_share(home, workspace_.at(peer.share), workspace_.at(peer.result)); });
  for (int earlier = 0; earlier < step; ++earlier) {
    collective_.compute([&] {
      pass_.compute_pair(home_at(earlier), home);
      pass_.compute_pair(home, home_at(earlier));
    });
    if (step == size_ - 1) start_result(earlier);
  }
  collective_.compute([&] { pass_.compute_pair(home, home); });
  if (step == size_ - 1) start_result(step);
}

void HeadAllToAll::merge(int step) {
  Peer& peer = at(step);
  const int worker = worker_at(step);
  collective_.wait(peer.results);
  if (pass_.result_bytes(rank_, worker) == 0) return;
  collective_.compute(
      [&] { pass_.merge(worker, workspace_.at(step == 0 ? peer.result : peer.arriving_result)); });
}

void HeadAllToAll::run() {
  reserve();
  collective_.compute([&] { pass_.begin(workspace_); });
  for (int step = 0; step < size_; ++step) start_share(step);
  for (int step = 0; step < size_; ++step) {
    collective_.wait(at(step).shares);
    compute(step);
  }
  for (int step = 0; step < size_; ++step) merge(step);
  collective_.compute([&] { pass_.finish(); });
}

}  // namespace

void run_head_all_to_all(Collective& collective, HeadPass& pass) { HeadAllToAll(collective, pass).run(); }

}  // namespace lvx
