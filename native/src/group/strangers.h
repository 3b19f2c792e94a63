// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace lvx {

// Strangers: connections that were dropped while a group formed, because they did not authenticate.
struct Strangers {
  std::uint64_t count = 0;
  std::string last;  // where the last of them came from, and what was wrong with it

  void add(std::string which) {
    ++count;
    last = std::move(which);
  }
};

}  // namespace lvx
