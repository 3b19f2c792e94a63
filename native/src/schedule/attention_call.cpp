// SPDX-License-Identifier: Apache-2.0
#include "schedule/attention_call.h"

#include "schedule/backward_head_pass.h"
#include "schedule/backward_key_pass.h"
#include "schedule/backward_query_pass.h"
#include "schedule/forward_head_pass.h"
#include "schedule/forward_key_pass.h"
#include "schedule/forward_query_pass.h"
#include "schedule/gather.h"
#include "schedule/head_all_to_all.h"
#include "schedule/ring.h"
#include "schedule/two_level.h"

namespace lvx {
namespace {

template <typename Arguments>
Announcement announce_shared(Operation operation, const Arguments& arguments) {
  Announcement mine;
  mine.operation = operation;
  mine.dtype = static_cast<std::int32_t>(arguments.q.dtype);
  mine.strategy = arguments.strategy;
  mine.batch = arguments.problem.batch;
  mine.query_heads = arguments.problem.query_heads;
  mine.key_heads = arguments.problem.key_heads;
  mine.head_dim = arguments.problem.head_dim;
  mine.scale = arguments.problem.scale;
  mine.has_visibility = arguments.visibility.everything() ? 0 : 1;
  mine.has_bias = arguments.bias.none() ? 0 : 1;
  mine.queries = arguments.problem.queries;
  mine.keys = arguments.problem.keys;
  mine.ranges = arguments.visibility.ranges;
  mine.bias_dtype = static_cast<std::int32_t>(arguments.bias.dtype);
  mine.bias_batch = arguments.bias_extents.batch;
  mine.bias_heads = arguments.bias_extents.heads;
  mine.bias_rows = arguments.bias_extents.rows;
  return mine;
}

template <typename Queries, typename Keys, typename Heads, typename Arguments>
void run(Group& group, const Announcement& mine, const Arguments& arguments, lvx_statistics* statistics) {
  collective(group, mine, arguments.strategy, statistics, [&](Call& call) {
    const Shards shards(call, arguments.visibility);
    switch (arguments.strategy) {
      case LVX_QUERY_RING: {
        Queries pass(call, shards, arguments);
        return run_ring(call, pass);
      }
      case LVX_QUERY_GATHER: {
        Queries pass(call, shards, arguments);
        return run_gather(call, pass);
      }
      case LVX_KV_RING: {
        Keys pass(call, shards, arguments);
        return run_ring(call, pass);
      }
      case LVX_KV_GATHER: {
        Keys pass(call, shards, arguments);
        return run_gather(call, pass);
      }
      case LVX_HEAD_ALL_TO_ALL: {
        Heads pass(call, shards, arguments);
        return run_head_all_to_all(call, pass);
      }
      case LVX_TWO_LEVEL: {
        Queries pass(call, shards, arguments);
        return run_two_level(call, pass);
      }
    }
  });
}

}  // namespace

Announcement announce(Operation operation, const AttentionForward& arguments) {
  return announce_shared(operation, arguments);
}

Announcement announce(Operation operation, const AttentionBackward& arguments) {
  Announcement mine = announce_shared(operation, arguments);
  mine.wants_d_bias = arguments.d_bias.none() ? 0 : 1;
  return mine;
}

void attention_forward(Group& group, const AttentionForward& arguments, lvx_statistics* statistics) {
  run<ForwardQueryPass, ForwardKeyPass, ForwardHeadPass>(group, announce(Operation::kForward, arguments),
                                                         arguments, statistics);
}

void attention_backward(Group& group, const AttentionBackward& arguments, lvx_statistics* statistics) {
  run<BackwardQueryPass, BackwardKeyPass, BackwardHeadPass>(group, announce(Operation::kBackward, arguments),
                                                            arguments, statistics);
}

}  // namespace lvx
