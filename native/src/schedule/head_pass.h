// SPDX-License-Identifier: Apache-2.0
// The pass of HEAD_ALL_TO_ALL: what is sent and what is computed where. Every rank gets some heads of all queries and all keys.
// The schedule uses this interface, so that it is written once for forward and backward.
#pragma once

#include <cstddef>
#include <cstdint>

#include "group/group.h"
#include "schedule/bias_slice.h"
#include "schedule/head_split.h"
#include "schedule/shards.h"
#include "schedule/workspace.h"

namespace lvx {

class HeadPass {
 public:
  // own: this rank's queries and keys, with all heads.
  HeadPass(Collective& collective, const Shards& shards, const ProblemShape& own, DType dtype)
      : collective_(collective),
        shards_(shards),
        own_(own),
        split_(collective, own),
        rank_(collective.rank()),
        dtype_(dtype),
        accumulator_(accumulator_of(dtype)),
        narrow_(dtype_ != accumulator_) {}
  virtual ~HeadPass() = default;
  HeadPass(const HeadPass&) = delete;
  HeadPass& operator=(const HeadPass&) = delete;

  // Bytes that home sends to worker: worker's heads of its queries and keys. 0: nothing.
  virtual std::int64_t share_bytes(int home, int worker) const = 0;
  // Bytes that worker sends back to home. 0: nothing.
  virtual std::int64_t result_bytes(int home, int worker) const = 0;

  virtual void reserve(Workspace& workspace) = 0;
  virtual void begin(const Workspace& workspace) = 0;
  virtual void pack_share(int worker, std::byte* share) = 0;
  // Passes the share that home sent, and the memory for its result.
  virtual void take_share(int home, std::byte* share, std::byte* result) = 0;
  // Computes this rank's heads of queries_home's queries against keys_home's keys. Every pair is computed once, in a fixed order.
  virtual void compute_pair(int queries_home, int keys_home) = 0;
  // Completes home's result, after all pairs with its queries or keys have been computed.
  virtual void complete(int home) = 0;
  virtual void merge(int worker, std::byte* result) = 0;
  virtual void finish() = 0;

 protected:
  // The problem shape of worker's heads of one rank's queries and one rank's keys.
  ProblemShape shape_of(int queries_home, int keys_home, int worker) const {
    ProblemShape shape = own_;
    shape.queries = shards_.queries(queries_home);
    shape.keys = shards_.keys(keys_home);
    shape.query_heads = split_.query_heads(worker).count;
    shape.key_heads = split_.key_heads(worker).count;
    shape.first_key = shards_.key_begin(keys_home);
    shape.first_query = shards_.query_begin(queries_home);
    return shape;
  }
  // This rank's queries against no keys, which gives the identity.
  ProblemShape nothing() const {
    ProblemShape shape = own_;
    shape.keys = 0;
    return shape;
  }
  // Worker's heads of home's bias, for all queries.
  BiasSlice slice_of(int home, int worker) const {
    return {collective_.announced(home), shards_.all_queries(), split_.query_heads(worker).count};
  }
  // The part of such a slice, or of its gradient, for home's queries.
  Bias of_queries(int home, const Bias& slice) const {
    return slice.row_range(shards_.query_begin(home), shards_.query_begin(home + 1));
  }

  Collective& collective_;
  const Shards& shards_;
  const ProblemShape& own_;
  const HeadSplit split_;
  const int rank_;
  const DType dtype_;
  const DType accumulator_;
  const bool narrow_;  // the dtype is too narrow to merge or accumulate in
};

}  // namespace lvx
