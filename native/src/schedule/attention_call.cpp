// SPDX-License-Identifier: Apache-2.0
#include "schedule/attention_call.h"

#include "schedule/backward_head_pass.h"
#include "schedule/backward_key_pass.h"
#include "schedule/backward_query_pass.h"
#include "schedule/forward_head_pass.h"
#include "schedule/forward_key_pass.h"
#include "schedule/forward_query_pass.h"
#include "schedule/schedules.h"

namespace lvx {
namespace {

template <typename Call>
Announcement announce_shared(Operation operation, const Call& call) {
  Announcement mine;
  mine.operation = operation;
  mine.dtype = static_cast<std::int32_t>(call.q.dtype);
  mine.strategy = call.strategy;
  mine.batch = call.shape.batch;
  mine.query_heads = call.shape.query_heads;
  mine.key_heads = call.shape.key_heads;
  mine.head_dim = call.shape.head_dim;
  mine.scale = call.shape.scale;
  mine.has_visibility = call.visibility.everything() ? 0 : 1;
  mine.has_bias = call.bias.none() ? 0 : 1;
  mine.queries = call.shape.queries;
  mine.keys = call.shape.keys;
  mine.ranges = call.visibility.ranges;
  mine.bias_dtype = static_cast<std::int32_t>(call.bias.dtype);
  mine.bias_batch = call.bias.batch;
  mine.bias_heads = call.bias.heads;
  mine.bias_rows = call.bias.rows;
  return mine;
}

template <typename Queries, typename Keys, typename Heads, typename Call>
void run(Group& group, const Announcement& mine, const Call& call, lvx_statistics* statistics) {
  run_collective(group, mine, call.strategy, statistics, [&](Collective& collective) {
    const Shards shards(collective, call.visibility);
    switch (call.strategy) {
      case LVX_QUERY_RING: {
        Queries pass(collective, shards, call);
        return run_ring(collective, pass);
      }
      case LVX_QUERY_GATHER: {
        Queries pass(collective, shards, call);
        return run_gather(collective, pass);
      }
      case LVX_KV_RING: {
        Keys pass(collective, shards, call);
        return run_ring(collective, pass);
      }
      case LVX_KV_GATHER: {
        Keys pass(collective, shards, call);
        return run_gather(collective, pass);
      }
      case LVX_HEAD_ALL_TO_ALL: {
        Heads pass(collective, shards, call);
        return run_head_all_to_all(collective, pass);
      }
      case LVX_TWO_LEVEL: {
        Queries pass(collective, shards, call);
        return run_two_level(collective, pass);
      }
    }
  });
}

}  // namespace

Announcement announce(Operation operation, const ForwardCall& call) {
  return announce_shared(operation, call);
}

Announcement announce(Operation operation, const BackwardCall& call) {
  Announcement mine = announce_shared(operation, call);
  mine.wants_d_bias = call.d_bias.none() ? 0 : 1;
  return mine;
}

void attention_forward(Group& group, const ForwardCall& call, lvx_statistics* statistics) {
  run<ForwardQueryPass, ForwardKeyPass, ForwardHeadPass>(group, announce(Operation::kForward, call), call,
                                                         statistics);
}

void attention_backward(Group& group, const BackwardCall& call, lvx_statistics* statistics) {
  run<BackwardQueryPass, BackwardKeyPass, BackwardHeadPass>(group, announce(Operation::kBackward, call), call,
                                                            statistics);
}

}  // namespace lvx
