// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "group/group.h"
#include "schedule/pass.h"

namespace lvx {

// TWO_LEVEL: a query block enters each other node once, and one result leaves it.
void run_two_level(Call& call, QueryPass& pass);

}  // namespace lvx
