// SPDX-License-Identifier: Apache-2.0
// A fault that the stand-in injects, given as "what:rank:after:result" by the environment variable LVX_NCCL_STANDIN_FAULT or by
// lvx_nccl_standin_fault.
//
//   ncclSend:1:3:2   rank 1's fourth ncclSend returns 2; likewise every other call
//   async:1:3:6      rank 1's communicator gets the asynchronous error 6 in its fourth group
//   lost:1:3:0       rank 1's connections break in its fourth group
//   stall:1:3:0      rank 1's fourth group is never executed
//   join:1:0:0       rank 1 never joins
//
// The stand-in for cuDNN injects such faults, too, but only by lvx_cudnn_standin_fault; its rank is 0.
#pragma once

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <sstream>
#include <string>

namespace lvx::test {

class Fault {
 public:
  static Fault& instance() {
    static Fault fault;
    return fault;
  }

  void set(const std::string& text) {
    const std::lock_guard lock(mutex_);
    std::istringstream in(text);
    what_.clear();
    std::string rank, after, result;
    if (!std::getline(in, what_, ':')) return;
    std::getline(in, rank, ':');
    std::getline(in, after, ':');
    std::getline(in, result, ':');
    rank_ = std::stoi(rank);
    after_ = std::stoi(after);
    result_ = std::stoi(result);
  }

  // Counts the calls of a rank. True if the call must fail; then all later ones fail, too.
  bool strikes(const std::string& what, int rank) {
    const std::lock_guard lock(mutex_);
    return what == what_ && rank == rank_ && after_-- <= 0;
  }
  int result() const { return result_; }

 private:
  Fault() {
    if (const char* text = std::getenv("LVX_NCCL_STANDIN_FAULT")) set(text);
  }

  std::mutex mutex_;
  std::string what_;
  int rank_ = 0;
  int after_ = 0;
  std::atomic<int> result_{0};
};

}  // namespace lvx::test
