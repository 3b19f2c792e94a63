// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"
#include "schedule/pass.h"

namespace lvx {

// QUERY_RING and KV_RING: blocks go round the ring, results go straight home.
void run_ring(Call& call, Pass& pass);

}  // namespace lvx
