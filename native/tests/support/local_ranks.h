// SPDX-License-Identifier: Apache-2.0
// Runs every rank of a local group on its own thread.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "device/cpu/cpu_device.h"
#include "group/local/local_world.h"

namespace lvx::test {

using RankBody = std::function<void(Group& group)>;

// The parts of a rank, which tests may wrap.
struct RankParts {
  std::function<std::shared_ptr<Device>(int rank)> device = [](int) {
    return std::shared_ptr<Device>(make_cpu_device({.threads = 1}));
  };
  std::function<std::unique_ptr<Transport>(int rank, std::unique_ptr<Transport>)> transport =
      [](int, std::unique_ptr<Transport> joined) { return joined; };
};

// What each rank threw; null if it succeeded.
inline std::vector<std::exception_ptr> run_ranks(int size, const GroupOptions& options, const RankBody& body,
                                                 const RankParts& parts = {}) {
  const std::shared_ptr<LocalWorld> world = make_local_world(size, options);
  std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const std::shared_ptr<Device> device = parts.device(rank);
        Group group(parts.transport(rank, world->join(rank, device)), device, options);
        body(group);
      } catch (...) {
        thrown[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return thrown;
}

// Memory that outlives a call's body, for its transfers.
template <typename Value>
std::byte* lend(Collective& collective, std::vector<Value>& memory) {
  return collective.lend(reinterpret_cast<std::byte*>(memory.data()),
                         static_cast<std::int64_t>(memory.size() * sizeof(Value)));
}

// Requires that all ranks succeed; rethrows the first exception otherwise.
inline void run_ranks_well(int size, const RankBody& body) {
  for (const std::exception_ptr& thrown : run_ranks(size, {}, body)) {
    if (thrown) std::rethrow_exception(thrown);
  }
}

// The Error that a rank threw, or LVX_OK if it threw none.
inline Error error_of(const std::exception_ptr& thrown) {
  if (!thrown) return Error(LVX_OK, "");
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& other) {
    return Error(LVX_INTERNAL, other.what());
  } catch (...) {
    return Error(LVX_INTERNAL, "something that is no std::exception");
  }
}

}  // namespace lvx::test
