// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"
#include "schedule/head_pass.h"

namespace lvx {

// HEAD_ALL_TO_ALL: heads against sequence.
void run_head_all_to_all(Call& call, HeadPass& pass);

}  // namespace lvx
