// SPDX-License-Identifier: Apache-2.0
// One rank's NCCL communicator. Non-blocking: long operations are begun, then polled.
#pragma once

#include <span>

#include "group/nccl/nccl_api.h"
#include "group/transport.h"

namespace lvx {

class Communicator {
 public:
  // Begins to join the ranks that have the same id; the calling thread's current device is the rank's.
  Communicator(const nccl::Api& api, const nccl::UniqueId& id, int rank, int size);
  // Aborts what is in progress.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  // Whether the last operation is done; NCCL accepts nothing new before. Throws Error.
  bool ready();
  // Waits for that; false at the expiry.
  bool await_ready(Clock::time_point until);

  // Enqueues the transfers together, after all work that is on the stream.
  void exchange(std::span<const Transfer> transfers, nccl::Stream stream);
  void all_gather(const std::byte* mine, std::byte* all, std::size_t bytes, nccl::Stream stream);

  // Ends it when nothing is in progress, if all ranks do so in time.
  void finalize(Clock::time_point until) noexcept;

 private:
  void require(nccl::Result result, const char* call);

  const nccl::Api& api_;
  nccl::Comm comm_ = nullptr;
};

}  // namespace lvx
