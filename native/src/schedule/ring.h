// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"
#include "schedule/pass.h"

namespace lvx {

// QUERY_RING and KV_RING: blocks travel around the ring; results go directly home.
void run_ring(Collective& collective, Pass& pass);

}  // namespace lvx
