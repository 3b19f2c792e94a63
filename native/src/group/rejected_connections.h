// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <lvx/lvx.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lvx {

// Connections that were dropped while a group formed, because they did not authenticate.
struct RejectedConnections {
  std::uint64_t count = 0;
  std::vector<std::string> lines;  // for the first ones: source address, and why it was dropped

  void add(std::string which) {
    ++count;
    if (lines.size() < LVX_REJECTED_CONNECTION_LINES) lines.push_back(std::move(which));
  }
};

}  // namespace lvx
