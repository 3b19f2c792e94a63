// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/thread_pool.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <chrono>

#include "base/thread_name.h"

namespace lvx {
namespace {

// Spins for about as long as going to sleep and waking up take.
template <typename Condition>
void look_out(const Condition& there) {
  constexpr auto kLongest = std::chrono::microseconds(40);
  const auto begin = std::chrono::steady_clock::now();
  while (!there() && std::chrono::steady_clock::now() - begin < kLongest) std::this_thread::yield();
}

}  // namespace

int usable_threads() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::shared_ptr<ThreadPool> ThreadPool::shared() {
  static std::mutex mutex;
  static std::weak_ptr<ThreadPool> current;
  const std::lock_guard lock(mutex);
  std::shared_ptr<ThreadPool> helpers = current.lock();
  if (helpers == nullptr) {
    helpers = std::make_shared<ThreadPool>(usable_threads() - 1);
    current = helpers;
  }
  return helpers;
}

ThreadPool::ThreadPool(int threads) {
  threads_.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] {
      name_this_thread("lvx-cpu");
      help();
    });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run(Job& job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(&job);
    ++posted_;
  }
  const std::int64_t useful = std::min<std::int64_t>(job.slots, job.count) - 1;
  for (std::int64_t i = 0; i < std::min(useful, static_cast<std::int64_t>(threads_.size())); ++i)
    work_.notify_one();
  take_part(job, 0);
  const auto alone = [&job] { return job.inside == 0; };
  std::unique_lock lock(mutex_);
  std::erase(jobs_, &job);
  if (!alone()) {
    lock.unlock();
    look_out(alone);
    lock.lock();
    done_.wait(lock, alone);
  }
  if (job.failure != nullptr) std::rethrow_exception(job.failure);
}

void ThreadPool::take_part(Job& job, int slot) {
  try {
    for (std::int64_t i = job.next++; i < job.count; i = job.next++) job.call(job.work, i, slot);
  } catch (...) {
    job.next = job.count;  // skips the remaining indices
    const std::lock_guard lock(mutex_);
    if (job.failure == nullptr) job.failure = std::current_exception();
  }
}

ThreadPool::Job* ThreadPool::open_job() {
  for (Job* job : jobs_) {
    if (job->taken < job->slots && job->next < job->count) return job;
  }
  return nullptr;
}

void ThreadPool::help() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    Job* job = open_job();
    if (job == nullptr) {
      const std::uint64_t known = posted_;
      lock.unlock();
      look_out([&] { return posted_ != known; });
      lock.lock();
      work_.wait(lock, [&] { return closing_ || posted_ != known; });
      continue;
    }
    const int slot = job->taken++;
    ++job->inside;
    lock.unlock();
    take_part(*job, slot);
    lock.lock();
    if (--job->inside == 0) done_.notify_all();
  }
}

}  // namespace lvx
