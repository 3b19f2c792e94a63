// SPDX-License-Identifier: Apache-2.0
// The implementation of the stand-in's communicators.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "group/nccl/nccl_api.h"
#include "standin/connections.h"
#include "standin/exchange.h"
#include "standin/fault.h"
#include "standin/gpu_transfers.h"
#include "standin/host_stream.h"

namespace lvx::test {

using nccl::Result;
using nccl::Stream;

class StandIn {
 public:
  StandIn(const std::string& name, int rank, int size)
      : rank_(rank), size_(size), connections_(name, rank, size) {
    ++live_;
    begin([this] { join(); });
  }
  ~StandIn() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return under_way_ == 0; });
    --live_;
  }
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  static int live() { return live_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  Result state() const {
    const std::lock_guard lock(mutex_);
    return state_;
  }

  // From now on, streams and data are those of simulated GPUs.
  static void use_gpus(const GpuTransfers* gpus) { gpus_ = gpus; }

  // Like NCCL, starts an operation only if earlier operations are complete.
  Result exchange(const std::vector<Operation>& operations, Stream stream) {
    if (state() != nccl::kSuccess) return nccl::kInvalidArgument;
    if (stream == nullptr) {
      // Without a stream to query, the communicator is in progress until the bytes have arrived.
      begin([this, operations] { carry_out(operations); });
      return nccl::kInProgress;
    }
    begin([this, operations, stream] {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      {
        const std::lock_guard lock(mutex_);
        ++under_way_;
      }
      if (gpus_ == nullptr) {
        static_cast<HostStream*>(stream)->enqueue([this, operations] {
          carry_out(operations);
          end();
        });
      } else {
        const GpuTransfers& gpus = *gpus_;
        transfers_.enqueue([this, &gpus, operations, turn = gpus.begin(stream)] {
          while (!abort_ && !gpus.reached(turn)) std::this_thread::sleep_for(std::chrono::microseconds(20));
          carry_out(on_the_host(operations, gpus));
          gpus.end(turn);
          end();
        });
      }
    });
    return nccl::kInProgress;
  }

  Result finalize() {
    if (state() != nccl::kSuccess) return nccl::kInvalidArgument;
    begin([] {});
    return nccl::kInProgress;
  }

  void abort() { abort_ = true; }

 private:
  template <typename Work>
  void begin(Work work) {
    {
      const std::lock_guard lock(mutex_);
      state_ = nccl::kInProgress;
      ++under_way_;
    }
    worker_.enqueue([this, work] {
      work();
      if (state() == nccl::kInProgress) set(nccl::kSuccess);
      end();
    });
  }
  void end() {
    const std::lock_guard lock(mutex_);
    --under_way_;
    changed_.notify_all();
  }
  void set(Result state) {
    const std::lock_guard lock(mutex_);
    if (state_ == nccl::kSuccess || state_ == nccl::kInProgress) state_ = state;
  }
  void wait_for_abort() const {
    while (!abort_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  static std::vector<Operation> on_the_host(std::vector<Operation> operations, const GpuTransfers& gpus) {
    for (Operation& operation : operations) {
      if (std::byte* host = gpus.find(operation.data, operation.bytes)) operation.data = host;
      if (operation.own == nullptr) continue;
      if (const std::byte* host = gpus.find(operation.own, operation.bytes)) operation.own = host;
    }
    return operations;
  }

  void join() {
    if (Fault::instance().strikes("join", rank_)) wait_for_abort();
    while (!abort_ && !connections_.connect_some()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  void carry_out(const std::vector<Operation>& operations) {
    Fault& fault = Fault::instance();
    if (fault.strikes("async", rank_)) return set(static_cast<Result>(fault.result()));
    if (fault.strikes("stall", rank_)) return wait_for_abort();
    if (fault.strikes("lost", rank_)) connections_.break_all();
    const Outcome outcome = Exchange(connections_, operations).run(abort_);
    if (outcome == Outcome::kPeerLost) set(nccl::kRemoteError);
    if (outcome == Outcome::kMismatch) set(nccl::kInvalidUsage);
  }

  inline static std::atomic<int> live_{0};
  inline static std::atomic<const GpuTransfers*> gpus_{nullptr};

  const int rank_;
  const int size_;
  Connections connections_;
  std::atomic<bool> abort_{false};

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Result state_ = nccl::kInProgress;
  int under_way_ = 0;

  HostStream transfers_;  // on GPUs' streams
  HostStream worker_;     // ends first
};

}  // namespace lvx::test
