// SPDX-License-Identifier: Apache-2.0
// One rank's communicator of NCCL. Non-blocking: whatever takes long is begun, and asked for.
#pragma once

#include <span>

#include "group/nccl/nccl_api.h"
#include "group/transport.h"

namespace lvx {

class Communicator {
 public:
  // Begins to join the ranks that have the same id; the calling thread's current device is the rank's.
  Communicator(const nccl::Api& api, const nccl::UniqueId& id, int rank, int size);
  // Whatever is under way is broken off.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  // Whether what was begun last is done; NCCL takes nothing new before. Throws Error.
  bool ready();
  // Waits for that; false when the time has come.
  bool await_ready(Clock::time_point until);

  // The transfers are carried out together, when all that is on the stream has been done.
  void exchange(std::span<const Transfer> transfers, nccl::Stream stream);
  void all_gather(const std::byte* mine, std::byte* all, std::size_t bytes, nccl::Stream stream);

  // Ends it once nothing is under way, as long as all ranks do so in time.
  void finalize(Clock::time_point until) noexcept;

 private:
  void require(nccl::Result result, const char* call);

  const nccl::Api& api_;
  nccl::Comm comm_ = nullptr;
};

}  // namespace lvx
