// SPDX-License-Identifier: Apache-2.0
// Recomputation interchanges the loops of a schedule. A ring would project every tile of keys once per step. So the queries,
// which are small, are gathered; tiles are the outer loop, and blocks of queries the inner loop.
//
// All blocks are sent at the start. Meanwhile, this rank projects the first tile that its own queries see, and computes it
// against them, then against each visitor as it arrives. After that it knows what the visitors see, and skips tiles that no
// query sees. Results are sent home one by one during the last tile. In every tile but the first, this rank's own queries come
// last, to hide those transfers.
#include "recompute/tiled.h"

#include <vector>

namespace lvx {
namespace {

constexpr std::int64_t kNone = -1;

constexpr std::size_t bytes(std::int64_t count) { return static_cast<std::size_t>(count); }

class Tiled {
 public:
  Tiled(Collective& collective, TilePass& pass)
      : collective_(collective),
        pass_(pass),
        rank_(collective.rank()),
        size_(collective.size()),
        tiles_(pass.tiles()),
        steps_(static_cast<std::size_t>(size_)),
        seen_(steps_.size() * static_cast<std::size_t>(tiles_)) {}

  void run();

 private:
  // What this rank exchanges with two peers at one distance: it works for the home at that distance, and the worker at that
  // distance works for it. Step 0 is this rank itself.
  struct Step {
    Workspace::Piece block{}, result{}, arriving{};
    Ticket blocks = 0, results = 0;
  };

  int home_at(int step) const { return (rank_ - step + size_) % size_; }
  int worker_at(int step) const { return (rank_ + step) % size_; }
  Step& at(int step) { return steps_[static_cast<std::size_t>(step)]; }
  std::uint8_t& sees(int step, std::int64_t tile) {
    return seen_[static_cast<std::size_t>(step) * static_cast<std::size_t>(tiles_) +
                 static_cast<std::size_t>(tile)];
  }

  void reserve();
  void start_blocks();
  void learn(int step);
  std::int64_t first_seen();
  bool anyone_sees(std::int64_t tile);
  std::int64_t last_after(std::int64_t first);
  void start_results(int step);
  void attend(int step, std::int64_t tile);
  void compute_first(std::int64_t tile);
  void compute_rest(std::int64_t first);

  Collective& collective_;
  TilePass& pass_;
  const int rank_;
  const int size_;
  const std::int64_t tiles_;
  std::vector<Step> steps_;
  std::vector<std::uint8_t> seen_;  // [step, tile]
  Workspace workspace_;
  std::vector<Transfer> transfers_;
};

void Tiled::reserve() {
  for (int step = 1; step < size_; ++step) {
    Step& own = at(step);
    const int home = home_at(step);
    if (pass_.visits(home, rank_)) {
      own.block = workspace_.reserve(pass_.block_bytes(home));
      own.result = workspace_.reserve(pass_.result_bytes(home));
    }
    if (pass_.visits(rank_, worker_at(step))) own.arriving = workspace_.reserve(pass_.result_bytes(rank_));
  }
  pass_.reserve(workspace_);
  workspace_.allocate(collective_);
}

void Tiled::start_blocks() {
  for (int step = 1; step < size_; ++step) {
    const int worker = worker_at(step);
    const int home = home_at(step);
    transfers_.clear();
    if (pass_.visits(rank_, worker)) {
      transfers_.push_back(send_to(worker, pass_.block(), bytes(pass_.block_bytes(rank_))));
    }
    if (pass_.visits(home, rank_)) {
      transfers_.push_back(receive_from(home, workspace_.at(at(step).block), bytes(pass_.block_bytes(home))));
    }
    at(step).blocks = collective_.start(transfers_);
  }
}

void Tiled::start_results(int step) {
  const int home = home_at(step);
  const int worker = worker_at(step);
  transfers_.clear();
  if (pass_.visits(home, rank_)) {
    collective_.compute([&] { pass_.complete(home); });
    transfers_.push_back(send_to(home, workspace_.at(at(step).result), bytes(pass_.result_bytes(home))));
  }
  if (pass_.visits(rank_, worker)) {
    transfers_.push_back(
        receive_from(worker, workspace_.at(at(step).arriving), bytes(pass_.result_bytes(rank_))));
  }
  at(step).results = collective_.start(transfers_);
}

// Determines which tiles the queries of a step see.
void Tiled::learn(int step) {
  const int home = home_at(step);
  if (!pass_.shards().sees(home, rank_)) return;
  const Visibility visibility = pass_.visibility(home);
  const std::span<std::uint8_t> seen = std::span(seen_).subspan(
      static_cast<std::size_t>(step) * static_cast<std::size_t>(tiles_), static_cast<std::size_t>(tiles_));
  if (visibility.everything()) {
    std::fill(seen.begin(), seen.end(), std::uint8_t{1});
  } else {
    const std::int64_t first_key = pass_.shards().key_begin(rank_);
    std::vector<std::int64_t> bounds{first_key};
    for (std::int64_t tile = 0; tile < tiles_; ++tile) bounds.push_back(first_key + pass_.tile(tile).end);
    collective_.device().shards_seen(visibility, bounds, seen);
  }
}

std::int64_t Tiled::first_seen() {
  for (std::int64_t tile = 0; tile < tiles_; ++tile) {
    if (sees(0, tile) != 0) return tile;
  }
  return kNone;
}

bool Tiled::anyone_sees(std::int64_t tile) {
  for (int step = 0; step < size_; ++step) {
    if (sees(step, tile) != 0) return true;
  }
  return false;
}

std::int64_t Tiled::last_after(std::int64_t first) {
  for (std::int64_t tile = tiles_ - 1; tile >= 0; --tile) {
    if (tile != first && anyone_sees(tile)) return tile;
  }
  return kNone;
}

void Tiled::attend(int step, std::int64_t tile) {
  if (sees(step, tile) != 0) collective_.compute([&] { pass_.attend(home_at(step)); });
}

void Tiled::compute_first(std::int64_t tile) {
  if (tile != kNone) {
    collective_.compute([&] { pass_.open(pass_.tile(tile)); });
    attend(0, tile);
  }
  for (int step = 1; step < size_; ++step) {
    collective_.wait(at(step).blocks);
    const int home = home_at(step);
    if (!pass_.visits(home, rank_)) continue;
    collective_.compute([&] {
      pass_.arrive(home, workspace_.at(at(step).block), workspace_.at(at(step).result));
      learn(step);
    });
    if (tile != kNone) attend(step, tile);
  }
  if (tile != kNone) collective_.compute([&] { pass_.close(); });
}

void Tiled::compute_rest(std::int64_t first) {
  const std::int64_t last = last_after(first);
  for (std::int64_t tile = 0; tile <= last; ++tile) {
    if (tile == first || !anyone_sees(tile)) continue;
    collective_.compute([&] { pass_.open(pass_.tile(tile)); });
    for (int step = 1; step < size_; ++step) {
      attend(step, tile);
      if (tile == last) start_results(step);
    }
    attend(0, tile);
    collective_.compute([&] { pass_.close(); });
  }
  for (int step = 1; last == kNone && step < size_; ++step) start_results(step);
}

void Tiled::run() {
  reserve();
  collective_.compute([&] {
    pass_.begin(workspace_);
    learn(0);
  });
  start_blocks();
  const std::int64_t first = first_seen();
  compute_first(first);
  compute_rest(first);
  for (int step = 1; step < size_; ++step) {
    collective_.wait(at(step).results);
    if (pass_.visits(rank_, worker_at(step))) {
      collective_.compute([&] { pass_.merge(workspace_.at(at(step).arriving)); });
    }
  }
  collective_.compute([&] { pass_.finish(); });
}

}  // namespace

void run_tiled(Collective& collective, TilePass& pass) { Tiled(collective, pass).run(); }

}  // namespace lvx
