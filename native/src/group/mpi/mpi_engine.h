// SPDX-License-Identifier: Apache-2.0
// MPI in this process: started once, and used by one thread alone, which also makes transfers progress while the
// ranks compute.
#pragma once

#include <mpi.h>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "group/transport.h"

namespace lvx {

// One transfer. Shared by who waits for it and by the engine.
struct MpiTransfer {
  Transfer::Direction direction;
  int peer;  // or MPI_ANY_SOURCE
  int tag;
  std::byte* data;
  std::size_t bytes;
  std::function<void(int source)> on_done = nullptr;  // called by the engine's thread

  // The engine's own.
  std::vector<MPI_Request> requests = {};
  int source = MPI_ANY_SOURCE;
  // Read and written under the engine's lock.
  bool done = false;
  std::string failure = {};
};

class MpiEngine {
 public:
  // Starts MPI the first time. Throws Error.
  static MpiEngine& started(double deadline_seconds);

  int rank() const { return rank_; }
  int size() const { return size_; }
  // Numbers groups alike in all processes, which make them in the same order.
  int next_group();
  // Some rank of the last group may be unable to end MPI.
  void group_broke_off();
  // When an operation that begins now has taken too long.
  Clock::time_point expiry();

  void submit(std::shared_ptr<MpiTransfer> transfer);
  // Waits until the transfer is done or has failed, or the time has come. Throws Error(LVX_PEER_LOST) for a failure.
  bool wait(const MpiTransfer& transfer, Clock::time_point until);
  bool done(const MpiTransfer& transfer);
  // Waits until the engine's thread has looked at every transfer once more, but no longer than a second.
  void await_pass();
  // Makes sure that MPI touches none of these any more; calls none of their on_done. If some cannot be stopped, MPI is
  // never called again by this process, and the answer is false: a peer that was told their address may still use it.
  bool abandon(const std::vector<std::shared_ptr<MpiTransfer>>& transfers);

 private:
  MpiEngine() = default;
  static MpiEngine& instance();
  void start(double deadline_seconds);
  void run();
  void initialize();
  void serve();
  void begin(MpiTransfer& transfer);
  bool progress(MpiTransfer& transfer);
  void finish(MpiTransfer& transfer, const std::string& failure);
  void stop(std::unique_lock<std::mutex>& lock);
  bool cancel(MpiTransfer& transfer);
  void end_with_process();

  std::mutex mutex_;
  std::condition_variable wake_;     // the engine's thread
  std::condition_variable changed_;  // those who wait for it
  std::condition_variable passed_;   // those who wait for the end of a pass over the transfers
  std::thread thread_;
  double deadline_seconds_ = 0;
  bool ready_ = false;
  bool ended_ = false;
  bool owns_mpi_ = false;
  bool broken_ = false;
  bool end_wanted_ = false;
  bool peers_may_not_end_ = false;
  std::string refusal_;
  int rank_ = 0;
  int size_ = 0;
  int groups_ = 0;
  int waiting_ = 0;
  int waiting_for_pass_ = 0;
  std::uint64_t passes_ = 0;  // over all transfers in progress
  MPI_Comm comm_ = MPI_COMM_NULL;

  std::vector<std::shared_ptr<MpiTransfer>> submitted_;
  std::list<std::shared_ptr<MpiTransfer>> active_;  // the thread's own
  const std::vector<std::shared_ptr<MpiTransfer>>* abandoned_ = nullptr;
};

}  // namespace lvx
