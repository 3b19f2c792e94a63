// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <lvx/lvx.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lvx {

// Strangers: connections that were dropped while a group formed, because they did not authenticate.
struct Strangers {
  std::uint64_t count = 0;
  std::vector<std::string> told;  // for the first ones: source address, and why it was dropped

  void add(std::string which) {
    ++count;
    if (told.size() < LVX_STRANGERS_TOLD) told.push_back(std::move(which));
  }
};

}  // namespace lvx
