// SPDX-License-Identifier: Apache-2.0
// What this process holds open: threads and file descriptors.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <ostream>
#include <thread>

namespace lvx::test {

struct OpenThings {
  std::ptrdiff_t threads = 0;
  std::ptrdiff_t descriptors = 0;

  static OpenThings now() { return {count("/proc/self/task"), count("/proc/self/fd")}; }
  // A reading that has not changed for 100 ms, because the system lists a joined thread for a moment longer.
  static OpenThings settled() {
    OpenThings last = now();
    for (int same = 0; same < 10; ++same) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const OpenThings read = now();
      if (read != last) same = 0;
      last = read;
    }
    return last;
  }
  bool operator==(const OpenThings&) const = default;

 private:
  static std::ptrdiff_t count(const char* folder) {
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
  }
};

inline std::ostream& operator<<(std::ostream& out, const OpenThings& things) {
  return out << things.threads << " threads, " << things.descriptors << " descriptors";
}

// Expects exactly these, and waits up to 2 s for them.
inline void expect_open(const OpenThings& expected) {
  for (int tries = 0; OpenThings::now() != expected && tries < 200; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(OpenThings::now(), expected);
}

}  // namespace lvx::test
