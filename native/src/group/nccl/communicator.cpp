// SPDX-License-Identifier: Apache-2.0
#include "group/nccl/communicator.h"

#include <string>
#include <thread>
#include <utility>

#include "base/error.h"

namespace lvx {
namespace {

constexpr std::chrono::microseconds kPause{200};

lvx_status status_of(nccl::Result result) {
  switch (result) {
    case nccl::kUnhandledCudaError:
      return LVX_DEVICE_ERROR;
    case nccl::kRemoteError:
      return LVX_PEER_LOST;
    default:
      return LVX_INTERNAL;
  }
}

}  // namespace

Communicator::Communicator(const nccl::Api& api, const nccl::UniqueId& id, int rank, int size) : api_(api) {
  nccl::Config config;
  config.blocking = 0;
  const nccl::Result result = api_.comm_init_rank_config(&comm_, size, id, rank, &config);
  if (result == nccl::kSuccess || result == nccl::kInProgress) return;
  const std::string text = "ncclCommInitRankConfig: " + api_.text_of(result, nullptr);
  if (comm_ != nullptr) api_.comm_abort(comm_);
  throw Error(status_of(result), text);
}

Communicator::~Communicator() {
  if (comm_ != nullptr) api_.comm_abort(comm_);
}

// ncclInProgress is not a failure: ready tells when the operation has ended.
void Communicator::require(nccl::Result result, const char* call) {
  if (result == nccl::kSuccess || result == nccl::kInProgress) return;
  throw Error(status_of(result), std::string(call) + ": " + api_.text_of(result, comm_));
}

bool Communicator::ready() {
  nccl::Result state = nccl::kSuccess;
  require(api_.comm_get_async_error(comm_, &state), "ncclCommGetAsyncError");
  require(state, "asynchronous error");
  return state == nccl::kSuccess;
}

bool Communicator::await_ready(Clock::time_point until) {
  while (!ready()) {
    if (Clock::now() >= until) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

void Communicator::exchange(std::span<const Transfer> transfers, nccl::Stream stream) {
  require(api_.group_start(), "ncclGroupStart");
  nccl::Result result = nccl::kSuccess;
  const char* call = "";
  for (const Transfer& transfer : transfers) {
    const bool sends = transfer.direction == Transfer::Direction::kSend;
    call = sends ? "ncclSend" : "ncclRecv";
    result = sends ? api_.send(transfer.data, transfer.bytes, nccl::kUint8, transfer.peer, comm_, stream)
                   : api_.receive(transfer.data, transfer.bytes, nccl::kUint8, transfer.peer, comm_, stream);
    if (result != nccl::kSuccess && result != nccl::kInProgress) break;
  }
  // Every ncclGroupStart needs an ncclGroupEnd, even after a failure.
  const nccl::Result end = api_.group_end();
  require(result, call);
  require(end, "ncclGroupEnd");
}

void Communicator::all_gather(const std::byte* mine, std::byte* all, std::size_t bytes, nccl::Stream stream) {
  require(api_.all_gather(mine, all, bytes, nccl::kUint8, comm_, stream), "ncclAllGather");
}

void Communicator::finalize(Clock::time_point until) noexcept {
  try {
    require(api_.comm_finalize(comm_), "ncclCommFinalize");
    if (!await_ready(until)) return;
    api_.comm_destroy(std::exchange(comm_, nullptr));
  } catch (const Error&) {
    // The destructor then aborts it.
  }
}

}  // namespace lvx
