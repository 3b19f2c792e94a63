// SPDX-License-Identifier: Apache-2.0
// The communication patterns, which determine when each block moves. A pass determines what a block is and what is computed with
// it.
#pragma once

#include "group/group.h"
#include "schedule/head_pass.h"
#include "schedule/pass.h"
#include "schedule/query_pass.h"

namespace lvx {

// QUERY_RING and KV_RING: blocks travel around the ring; results are sent directly home.
void run_ring(Collective& collective, Pass& pass);

// QUERY_GATHER and KV_GATHER: the home sends its block to all workers at once; results are sent directly home.
void run_gather(Collective& collective, Pass& pass);

// TWO_LEVEL: a query block is sent to each other node once, and each node returns one result.
void run_two_level(Collective& collective, QueryPass& pass);

// HEAD_ALL_TO_ALL: sequence shards are exchanged for heads.
void run_head_all_to_all(Collective& collective, HeadPass& pass);

}  // namespace lvx
