// SPDX-License-Identifier: Apache-2.0
// One rank's NCCL communicator. It is non-blocking: long operations are started, then polled.
#pragma once

#include <span>

#include "group/nccl/nccl_api.h"
#include "group/transport.h"

namespace lvx {

class Communicator {
 public:
  // Starts to connect the ranks that have the same id. Uses the calling thread's current device.
  Communicator(const nccl::Api& api, const nccl::UniqueId& id, int rank, int size);
  // Aborts operations in progress.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  // Whether the last operation is complete; NCCL accepts no other operation before. Throws Error if it failed.
  bool ready();
  // Waits until ready, or the expiry; false at the expiry.
  bool await_ready(Clock::time_point until);

  // Enqueues the transfers on the stream, as one NCCL group.
  void exchange(std::span<const Transfer> transfers, nccl::Stream stream);
  void all_gather(const std::byte* mine, std::byte* all, std::size_t bytes, nccl::Stream stream);

  // Ends the communicator, if all ranks do so before the expiry. No operation may be in progress.
  void finalize(Clock::time_point until) noexcept;

 private:
  void require(nccl::Result result, const char* call);

  const nccl::Api& api_;
  nccl::Comm comm_ = nullptr;
};

}  // namespace lvx
