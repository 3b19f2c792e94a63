// SPDX-License-Identifier: Apache-2.0
// Runs every rank of a TCP group (named Gloo) on its own thread: one process, but real connections.
#pragma once

#include "group/plugin.h"
#include "support/local_ranks.h"

namespace lvx::test {

// What each rank threw; null if it succeeded.
inline std::vector<std::exception_ptr> run_gloo_ranks(int size, const GroupOptions& options,
                                                      const RankBody& body, bool checksums = true,
                                                      const RankParts& parts = {}) {
  std::vector<std::unique_ptr<Bootstrap>> bootstraps;
  std::vector<std::span<const std::byte>> addresses;
  for (int rank = 0; rank < size; ++rank) {
    bootstraps.push_back(
        begin_gloo(rank, size, {.host = "127.0.0.1", .timeout_seconds = 20, .checksums = checksums}));
    addresses.push_back(bootstraps.back()->address());
  }
  std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const std::shared_ptr<Device> device = parts.device(rank);
        Bootstrap& bootstrap = *bootstraps[static_cast<std::size_t>(rank)];
        Group group(parts.transport(rank, bootstrap.connect(addresses, device)), device, options);
        body(group);
      } catch (...) {
        thrown[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return thrown;
}

inline void run_gloo_ranks_well(int size, const RankBody& body) {
  for (const std::exception_ptr& thrown : run_gloo_ranks(size, {}, body)) {
    if (thrown) std::rethrow_exception(thrown);
  }
}

}  // namespace lvx::test
