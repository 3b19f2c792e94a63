// SPDX-License-Identifier: Apache-2.0
// Checks the options of groups.
#pragma once

#include <lvx/lvx.h>

#include "group/group.h"
#include "group/plugin.h"

namespace lvx {

// Entries of the flight recorder, some hundred bytes each.
inline constexpr std::int32_t kMostRecorderEntries = 1 << 20;

void require_timeout(double seconds, const char* name);
void require_size(std::int32_t size);
void require_rank(std::int32_t rank, int size);

// Only a local group of CPUs emulates links.
void require_no_links(const GroupOptions& options);

// options may be null.
GroupOptions read_group_options(const lvx_group_options* options);
// Likewise what joins the ranks over TCP. host may be null.
JoinOptions read_join_options(const lvx_group_options* options, const char* host);

}  // namespace lvx
