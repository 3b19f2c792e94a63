// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"
#include "recompute/tile_pass.h"

namespace lvx {

// Every query block is sent to all its workers at once. Each worker projects its keys once, tile by tile, and sends one result
// home.
void run_tiled(Collective& collective, TilePass& pass);

}  // namespace lvx
