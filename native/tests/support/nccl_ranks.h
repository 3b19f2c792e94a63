// SPDX-License-Identifier: Apache-2.0
// Runs every rank of an NCCL group on its own thread, over the stand-in for NCCL.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "group/plugin.h"
#include "support/local_ranks.h"
#include "support/streamed_device.h"

namespace lvx::test {

template <typename Function>
Function* standin_function(const char* name) {
  static void* const library = [] {
    setenv("LVX_NCCL_LIBRARY", LVX_NCCL_STANDIN, 1);  // NOLINT(concurrency-mt-unsafe): before any rank runs
    return dlopen(LVX_NCCL_STANDIN, RTLD_NOW | RTLD_LOCAL);
  }();
  return reinterpret_cast<Function*>(dlsym(library, name));
}

// The number of communicators that were not ended.
inline int live_communicators() { return standin_function<int()>("lvx_nccl_standin_live")(); }

// Injects this fault (see standin/fault.h) into the stand-in for the lifetime of the object.
class InjectedFault {
 public:
  explicit InjectedFault(const std::string& fault) { set(fault.c_str()); }
  ~InjectedFault() { set(""); }
  InjectedFault(const InjectedFault&) = delete;
  InjectedFault& operator=(const InjectedFault&) = delete;

 private:
  static void set(const char* fault) { standin_function<void(const char*)>("lvx_nccl_standin_fault")(fault); }
};

struct NcclWay {
  bool streams = false;  // devices have streams, as CUDA devices do
  bool by_id = false;    // ranks join by an NCCL id instead of addresses
};

// Runs one rank, from joining the group to leaving it.
using NcclJoin = std::function<std::unique_ptr<Transport>(int rank, const std::shared_ptr<Device>& device)>;

inline std::vector<std::exception_ptr> run_nccl_threads(int size, bool streams, const GroupOptions& options,
                                                        const NcclJoin& join, const RankBody& body) {
  std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        std::shared_ptr<Device> device;
        if (streams) {
          device = std::make_shared<StreamedDevice>();
        } else {
          device = make_cpu_device({.threads = 1});
        }
        Group group(join(rank, device), device, options);
        body(group);
      } catch (...) {
        thrown[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return thrown;
}

// What each rank threw; null if it succeeded.
inline std::vector<std::exception_ptr> run_nccl_ranks(int size, const GroupOptions& options,
                                                      const RankBody& body, NcclWay way = {},
                                                      double join_seconds = 20) {
  live_communicators();  // makes the library find the stand-in
  const JoinOptions join = {.host = "127.0.0.1", .timeout_seconds = join_seconds};
  if (way.by_id) {
    const NcclId id = new_nccl_id();
    return run_nccl_threads(
        size, way.streams, options,
        [&](int rank, const auto& device) { return join_nccl(id, rank, size, join, device); }, body);
  }
  std::vector<std::unique_ptr<Bootstrap>> bootstraps;
  std::vector<std::span<const std::byte>> addresses;
  for (int rank = 0; rank < size; ++rank) {
    bootstraps.push_back(begin_nccl(rank, size, join));
    addresses.push_back(bootstraps.back()->address());
  }
  return run_nccl_threads(
      size, way.streams, options,
      [&](int rank, const auto& device) {
        return bootstraps[static_cast<std::size_t>(rank)]->connect(addresses, device);
      },
      body);
}

}  // namespace lvx::test
