// SPDX-License-Identifier: Apache-2.0
// What this process holds open: threads and file descriptors.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <ostream>
#include <thread>

namespace lvx::test {

struct OpenThings {
  std::ptrdiff_t threads = 0;
  std::ptrdiff_t descriptors = 0;

  static OpenThings now() { return {count("/proc/self/task"), count("/proc/self/fd")}; }
  // Once what has just ended is gone: a thread that was joined is listed for a moment longer. The least of some readings.
  static OpenThings settled() {
    OpenThings least = now();
    for (int same = 0; same < 10; ++same) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const OpenThings read = now();
      if (!least.within(read)) same = 0;
      least = {std::min(least.threads, read.threads), std::min(least.descriptors, read.descriptors)};
    }
    return least;
  }
  // No more is open than that.
  bool within(const OpenThings& bound) const {
    return threads <= bound.threads && descriptors <= bound.descriptors;
  }

 private:
  static std::ptrdiff_t count(const char* folder) {
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
  }
};

inline std::ostream& operator<<(std::ostream& out, const OpenThings& things) {
  return out << things.threads << " threads, " << things.descriptors << " descriptors";
}

// Nothing is left over that was not open before.
inline void expect_no_more(const OpenThings& before) {
  for (int tries = 0; !OpenThings::now().within(before) && tries < 200; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const OpenThings left = OpenThings::now();
  EXPECT_TRUE(left.within(before)) << left << ", before " << before;
}

}  // namespace lvx::test
