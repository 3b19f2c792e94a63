// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"
#include "schedule/query_pass.h"
#include "schedule/shards.h"

namespace lvx {

// Query blocks go round the ring; partial results go straight home.
void query_ring(Call& call, const Shards& shards, QueryPass& pass);

}  // namespace lvx
