// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"
#include "schedule/pass.h"

namespace lvx {

// QUERY_GATHER and KV_GATHER: every block goes from home to all its workers at once, results go straight home.
void run_gather(Call& call, Pass& pass);

}  // namespace lvx
