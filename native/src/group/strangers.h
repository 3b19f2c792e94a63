// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <lvx/lvx.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lvx {

// Connections that were dropped while a group was made, as they proved to be of no rank of it.
struct Strangers {
  std::uint64_t count = 0;
  std::vector<std::string> told;  // of the first of them: where it came from, and what was wrong with it

  void add(std::string which) {
    ++count;
    if (told.size() < LVX_STRANGERS_TOLD) told.push_back(std::move(which));
  }
};

}  // namespace lvx
