// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/bias_slice.h"
#include "schedule/message.h"
#include "schedule/pass.h"

namespace lvx {

// Keys visit queries. Message to every worker: k and v; in addition, each worker gets the bias slice for its queries.
class KeyPass : public Pass {
 public:
  // k, v and bias: this rank's.
  KeyPass(Collective& collective, const Shards& shards, const ProblemShape& own, const Bshd& k, const Bshd& v,
          const Bias& bias)
      : Pass(collective, shards, own, k.dtype), k_(k), v_(v), bias_(bias) {}

  bool visits(int home, int worker) const override { return home != worker && shards_.sees(worker, home); }
  std::int64_t block_bytes(int home) const override {
    return 2 * shape_of(home).key_elements() * size_of(dtype_);
  }
  std::int64_t side_bytes(int home, int worker) const override {
    const BiasSlice slice = slice_of(home, worker);
    return slice.bytes(slice.dtype());
  }
  void pack_side(int worker, std::byte* side) override {
    const BiasSlice slice = slice_of(rank_, worker);
    collective_.device().copy(as_bshd(of_queries(worker, bias_)), as_bshd(slice.view(side, slice.dtype())));
  }

 protected:
  // This rank's queries against home's keys.
  ProblemShape shape_of(int home) const override {
    ProblemShape shape = own_;
    shape.keys = shards_.keys(home);
    shape.first_key = shards_.key_begin(home);
    shape.first_query = shards_.query_begin(rank_);
    return shape;
  }
  // Home's bias for worker's queries.
  BiasSlice slice_of(int home, int worker) const {
    return {collective_.announced(home), shards_.queries(worker)};
  }

  void reserve_block(Workspace& workspace) {
    if (keys_travel_) packed_piece_ = workspace.reserve(block_bytes(rank_));
  }
  void pack_block(const Workspace& workspace) {
    if (!keys_travel_) return;
    block_ = workspace.at(packed_piece_);
    MessageCursor message(block_);
    for (const Bshd& part : {k_, v_}) collective_.device().copy(part, message.keys(own_, dtype_));
  }

 private:
  const Bshd &k_, &v_;
  const Bias& bias_;
  Workspace::Piece packed_piece_{};
};

}  // namespace lvx
