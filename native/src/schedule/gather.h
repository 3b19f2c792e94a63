// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"
#include "schedule/pass.h"

namespace lvx {

// QUERY_GATHER and KV_GATHER: every block goes from home to all its workers at once; results go directly home.
void run_gather(Collective& collective, Pass& pass);

}  // namespace lvx
