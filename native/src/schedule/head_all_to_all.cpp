// SPDX-License-Identifier: Apache-2.0
// Heads against sequence, after DeepSpeed-Ulysses (arXiv 2309.14509): each rank gets a part of the heads of everybody's
// queries and keys, computes them whole, and returns the results.
//
// All shares are in flight from the start. Rank r takes them in the order r, r - 1, r - 2, ..., and computes each new
// share against those it has. The last one completes everything: it meets the shares one by one, and each result leaves
// while the next is computed.
#include "schedule/head_all_to_all.h"

#include <vector>

namespace lvx {
namespace {

class HeadAllToAll {
 public:
  HeadAllToAll(Call& call, HeadPass& pass)
      : call_(call),
        pass_(pass),
        rank_(call.rank()),
        size_(call.size()),
        peers_(static_cast<std::size_t>(size_)) {}

  void run();

 private:
  // What this rank exchanges with the peers at one distance; 0 is this rank itself.
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

  Call& call_;
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
  workspace_.allocate(call_);
}

void HeadAllToAll::start_share(int step) {
  Peer& peer = at(step);
  const int worker = worker_at(step);
  call_.compute(
      [&] { pass_.pack_share(worker, workspace_.at(step == 0 ? peer.share : peer.leaving_share)); });
  if (step == 0) return;
  transfers_.clear();
  send(worker, peer.leaving_share, pass_.share_bytes(rank_, worker));
  receive(home_at(step), peer.share, pass_.share_bytes(home_at(step), rank_));
  peer.shares = call_.start(transfers_);
}

void HeadAllToAll::start_result(int step) {
  Peer& peer = at(step);
  call_.compute([&] { pass_.complete(home_at(step)); });
  if (step == 0) return;
  transfers_.clear();
  send(home_at(step), peer.result, pass_.result_bytes(home_at(step), rank_));
  receive(worker_at(step), peer.arriving_result, pass_.result_bytes(rank_, worker_at(step)));
  peer.results = call_.start(transfers_);
}

// The share of step against itself and those before it.
void HeadAllToAll::compute(int step) {
  Peer& peer = at(step);
  const int home = home_at(step);
  call_.compute([&] { pass_.take_share(home, workspace_.at(peer.share), workspace_.at(peer.result)); });
  for (int earlier = 0; earlier < step; ++earlier) {
    call_.compute([&] {
      pass_.compute_pair(home_at(earlier), home);
      pass_.compute_pair(home, home_at(earlier));
    });
    if (step == size_ - 1) start_result(earlier);
  }
  call_.compute([&] { pass_.compute_pair(home, home); });
  if (step == size_ - 1) start_result(step);
}

void HeadAllToAll::merge(int step) {
  Peer& peer = at(step);
  const int worker = worker_at(step);
  call_.wait(peer.results);
  if (pass_.result_bytes(rank_, worker) == 0) return;
  call_.compute([&] { pass_.merge(worker, workspace_.at(step == 0 ? peer.result : peer.arriving_result)); });
}

void HeadAllToAll::run() {
  reserve();
  call_.compute([&] { pass_.begin(workspace_); });
  for (int step = 0; step < size_; ++step) start_share(step);
  for (int step = 0; step < size_; ++step) {
    call_.wait(at(step).shares);
    compute(step);
  }
  for (int step = 0; step < size_; ++step) merge(step);
  call_.compute([&] { pass_.finish(); });
}

}  // namespace

void run_head_all_to_all(Call& call, HeadPass& pass) { HeadAllToAll(call, pass).run(); }

}  // namespace lvx
