// SPDX-License-Identifier: Apache-2.0
// The simulator's interface for tests, implemented by the PTX interpreter. Registered host memory is GPU memory, and kernels run
// synchronously.
#include "memory.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "device/cuda/host/simulator.h"

namespace lvx::cuda::host {
namespace {

using Range = std::pair<const std::byte*, const std::byte*>;

// The registered memory, and the disjoint ranges that the interpreter knows.
std::vector<Range>& registered() {
  static std::vector<Range> ranges;
  return ranges;
}

void tell() {
  static std::vector<Range> told;
  ptxrun::GlobalMemory& memory = ptxrun::GlobalMemory::instance();
  for (const Range& range : told) memory.disown(range.first);
  told.clear();
  std::vector<Range> sorted = registered();
  std::sort(sorted.begin(), sorted.end());
  for (const Range& range : sorted) {
    if (!told.empty() && range.first < told.back().second) {
      told.back().second = std::max(told.back().second, range.second);
    } else {
      told.push_back(range);
    }
  }
  for (const auto& [begin, end] : told) memory.adopt(begin, static_cast<std::size_t>(end - begin), false);
}

}  // namespace

Registered::Registered(std::span<const std::byte> range) : range_(range) {
  registered().emplace_back(range.data(), range.data() + range.size());
  tell();
}

Registered::~Registered() {
  auto& ranges = registered();
  ranges.erase(std::find(ranges.begin(), ranges.end(), Range(range_.data(), range_.data() + range_.size())));
  tell();
}

std::byte* global_memory(const void* data, std::size_t) {
  return const_cast<std::byte*>(static_cast<const std::byte*>(data));
}
void enqueue(void*, std::function<void()> kernel) { kernel(); }

}  // namespace lvx::cuda::host
