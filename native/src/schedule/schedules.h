// SPDX-License-Identifier: Apache-2.0
// The communication patterns: which block moves when. What a block is, and what is computed with it, is a pass's.
#pragma once

#include "group/group.h"
#include "schedule/head_pass.h"
#include "schedule/pass.h"
#include "schedule/query_pass.h"

namespace lvx {

// QUERY_RING and KV_RING: blocks travel around the ring; results go directly home.
void run_ring(Collective& collective, Pass& pass);

// QUERY_GATHER and KV_GATHER: every block goes from home to all its workers at once; results go directly home.
void run_gather(Collective& collective, Pass& pass);

// TWO_LEVEL: a query block enters each other node once, and one result leaves it.
void run_two_level(Collective& collective, QueryPass& pass);

// HEAD_ALL_TO_ALL: heads against sequence.
void run_head_all_to_all(Collective& collective, HeadPass& pass);

}  // namespace lvx
