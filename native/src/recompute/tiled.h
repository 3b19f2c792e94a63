// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"
#include "recompute/tile_pass.h"

namespace lvx {

// Every query block goes to all its workers at once; each makes its keys tile by tile, once, and sends one result home.
void run_tiled(Call& call, TilePass& pass);

}  // namespace lvx
