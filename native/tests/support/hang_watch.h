// SPDX-License-Identifier: Apache-2.0
// Ends a process that takes too long, and reports what it was doing. For tests that start processes.
#pragma once

#include <dirent.h>
#include <execinfo.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

#include "group/recorder.h"

namespace lvx::test {

class HangWatch {
 public:
  // One per process. It is never destroyed, so that it also detects hangs during exit.
  static HangWatch& instance() {
    static HangWatch& watch = *new HangWatch;
    return watch;
  }
  HangWatch(const HangWatch&) = delete;
  HangWatch& operator=(const HangWatch&) = delete;

  // Sets the time limit from now to the end of the process.
  void begin(std::chrono::seconds limit) {
    std::array<void*, 1> frame{};
    backtrace(frame.data(), 1);  // loads libgcc now, because a signal handler must not
    std::signal(SIGUSR2, [](int) {
      std::array<void*, 64> frames{};
      const int count = backtrace(frames.data(), static_cast<int>(frames.size()));
      backtrace_symbols_fd(frames.data(), count, STDERR_FILENO);
    });
    std::thread([this, limit] {
      std::this_thread::sleep_for(limit);
      std::fprintf(stderr, "HANGS: process %d has not ended within %lld s, %s\n", getpid(),
                   static_cast<long long>(limit.count()), state().c_str());
      print_stacks();
      std::_Exit(EXIT_FAILURE);
    }).detach();
  }

  // Tells what the process does from now on. The recorder, if any, must outlive this activity.
  void is(const char* what, const Recorder* recorder = nullptr) {
    const std::lock_guard lock(mutex_);
    what_ = what;
    recorder_ = recorder;
  }

 private:
  HangWatch() = default;

  std::string state() {
    const std::lock_guard lock(mutex_);
    std::string text = what_;
    std::array<lvx_record, 1> records{};
    if (recorder_ == nullptr || recorder_->copy(records) == 0) return text;
    const lvx_record& newest = records[0];
    return text + "; its newest operation is number " + std::to_string(newest.sequence) + ", " +
           newest.operation + ", status " + std::to_string(newest.status) + ", " +
           std::to_string(newest.bytes_sent) + " bytes sent, " + std::to_string(newest.bytes_received) +
           " received";
  }

  // Prints the stack of one thread after the other, as addresses in files (addr2line -Cfe FILE ADDRESS).
  static void print_stacks() {
    DIR* threads = opendir("/proc/self/task");
    if (threads == nullptr) return;
    while (const dirent* entry = readdir(threads)) {
      const int thread = std::atoi(entry->d_name);
      if (thread == 0 || thread == static_cast<int>(syscall(SYS_gettid))) continue;
      std::fprintf(stderr, "thread %d of process %d:\n", thread, getpid());
      syscall(SYS_tgkill, getpid(), thread, SIGUSR2);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    closedir(threads);
  }

  std::mutex mutex_;
  std::string what_ = "beginning";
  const Recorder* recorder_ = nullptr;
};

}  // namespace lvx::test
