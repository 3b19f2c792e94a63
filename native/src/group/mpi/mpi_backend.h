// SPDX-License-Identifier: Apache-2.0
// MPI in this process. It is started once and called by one thread only, which also makes progress on transfers while ranks
// compute.
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

// One transfer. The waiting rank and the backend share its ownership.
struct MpiTransfer {
  Transfer::Direction direction;
  int peer;  // or MPI_ANY_SOURCE
  int tag;
  std::byte* data;
  std::size_t bytes;
  std::function<void(int source)> on_done = nullptr;  // called by the backend's thread

  // Used only by the backend's thread.
  std::vector<MPI_Request> requests = {};
  int source = MPI_ANY_SOURCE;
  // Guarded by the backend's lock.
  bool done = false;
  std::string failure = {};
};

class MpiBackend {
 public:
  // Starts MPI in the first call. Throws Error.
  static MpiBackend& started(double timeout_seconds);

  int rank() const { return rank_; }
  int size() const { return size_; }
  // The number of a new group. It is the same in all processes, because they create groups in the same order.
  int next_group();
  // Tells that a rank of the last group may be unable to end MPI.
  void group_broke_off();
  // The expiry of an operation that begins now.
  Clock::time_point expiry();

  void submit(std::shared_ptr<MpiTransfer> transfer);
  // Waits until the transfer is done, has failed, or the expiry. Throws Error(LVX_PEER_LOST) if it has failed.
  bool wait(const MpiTransfer& transfer, Clock::time_point until);
  bool done(const MpiTransfer& transfer);
  // Waits until the backend's thread has examined every transfer once more, at most for a second.
  void await_pass();
  // Ensures that MPI no longer accesses the memory of these transfers. Does not call their on_done. If some cannot be stopped,
  // this process never calls MPI again, and the result is false: a peer that knows their addresses may still access them.
  bool abandon(const std::vector<std::shared_ptr<MpiTransfer>>& transfers);

 private:
  MpiBackend() = default;
  static MpiBackend& instance();
  void start(double timeout_seconds);
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
  std::condition_variable wake_;     // wakes the backend's thread
  std::condition_variable changed_;  // wakes threads that wait for the backend
  std::condition_variable passed_;   // wakes threads that wait for the end of a pass over the transfers
  std::thread thread_;
  double timeout_seconds_ = 0;
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
  std::list<std::shared_ptr<MpiTransfer>> active_;  // used only by the backend's thread
  const std::vector<std::shared_ptr<MpiTransfer>>* abandoned_ = nullptr;
};

}  // namespace lvx
