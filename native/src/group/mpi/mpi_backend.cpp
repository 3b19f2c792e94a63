// SPDX-License-Identifier: Apache-2.0
#include "group/mpi/mpi_backend.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "base/thread_name.h"

namespace lvx {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// MPI's counts are of type int.
constexpr std::size_t kMostBytesAtOnce = std::size_t{1} << 30;
constexpr microseconds kPauseInTransfer{20};
constexpr microseconds kPauseIdle{1000};
constexpr milliseconds kPatienceWithCancel{200};
constexpr milliseconds kPatienceWithPass{1000};
constexpr double kSecondsForBrokenEnd = 3;  // MPI_Finalize takes milliseconds if all processes call it

std::string text_of(int code) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  return std::string(text.data(), static_cast<std::size_t>(length));
}

void require_success(int code, const char* what) {
  if (code != MPI_SUCCESS) throw Error(LVX_INTERNAL, std::string(what) + ": " + text_of(code));
}

struct Announced {
  const char* variable;
  const char* size;
};

// The number of processes that the launcher says it has started.
Announced announced_size() {
  // NOLINTBEGIN(concurrency-mt-unsafe): the environment does not change
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (const char* size = std::getenv(variable)) return {variable, size};
  }
  // Slurm with PMIx sets only this variable; without PMIx its tasks need not be MPI processes.
  const char* variable = "SLURM_STEP_NUM_TASKS";
  const bool by_slurm = std::getenv("PMIX_RANK") != nullptr;
  return {variable, by_slurm ? std::getenv(variable) : nullptr};
  // NOLINTEND(concurrency-mt-unsafe)
}

// An MPI library that does not support the launcher gives each process an MPI_COMM_WORLD of its own.
void require_announced_size(int size) {
  const Announced announced = announced_size();
  if (announced.size == nullptr || announced.size == std::to_string(size)) return;
  throw Error(
      LVX_INVALID_STATE,
      std::string("the launcher says by ") + announced.variable + " that it has started " + announced.size +
          " processes, MPI that there " + (size == 1 ? "is " : "are ") + std::to_string(size) +
          ": most likely the launcher belongs to another MPI than the library, which is Open MPI's "
          "libmpi; start the processes by Open MPI's mpirun, or unset the variable if no launcher did");
}

}  // namespace

MpiBackend& MpiBackend::instance() {
  // Never destroyed: its thread runs until the process ends.
  static MpiBackend& backend = *new MpiBackend;
  return backend;
}

MpiBackend& MpiBackend::started(double timeout_seconds) {
  instance().start(timeout_seconds);
  return instance();
}

void MpiBackend::start(double timeout_seconds) {
  std::unique_lock lock(mutex_);
  timeout_seconds_ = timeout_seconds;
  if (!thread_.joinable()) {
    thread_ = std::thread([this] {
      name_this_thread("lvx-mpi");
      run();
    });
    std::atexit([] { instance().end_with_process(); });
  }
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(timeout_seconds));
  if (!changed_.wait_until(lock, until, [&] { return ready_ || !refusal_.empty(); })) {
    throw Error(LVX_TIMEOUT, "MPI did not start within the timeout: some process has not started it");
  }
  if (!refusal_.empty()) throw Error(LVX_INVALID_STATE, refusal_);
}

int MpiBackend::next_group() {
  const std::lock_guard lock(mutex_);
  peers_may_not_end_ = false;
  return groups_++;
}

void MpiBackend::group_broke_off() {
  const std::lock_guard lock(mutex_);
  peers_may_not_end_ = true;
}

Clock::time_point MpiBackend::expiry() {
  const std::lock_guard lock(mutex_);
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_seconds_));
}

void MpiBackend::submit(std::shared_ptr<MpiTransfer> transfer) {
  const std::lock_guard lock(mutex_);
  submitted_.push_back(std::move(transfer));
  wake_.notify_one();
}

bool MpiBackend::wait(const MpiTransfer& transfer, Clock::time_point until) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  wake_.notify_one();
  changed_.wait_until(lock, until, [&] { return transfer.done || !transfer.failure.empty() || ended_; });
  --waiting_;
  if (!transfer.failure.empty()) throw Error(LVX_PEER_LOST, transfer.failure, transfer.peer);
  if (!refusal_.empty()) throw Error(LVX_PEER_LOST, refusal_, transfer.peer);
  return transfer.done;
}

void MpiBackend::await_pass() {
  std::unique_lock lock(mutex_);
  const std::uint64_t whole = passes_ + 2;  // the current pass may have looked at a transfer already
  ++waiting_for_pass_;
  wake_.notify_one();
  passed_.wait_until(lock, Clock::now() + kPatienceWithPass, [&] { return passes_ >= whole || ended_; });
  --waiting_for_pass_;
}

bool MpiBackend::abandon(const std::vector<std::shared_ptr<MpiTransfer>>& transfers) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return abandoned_ == nullptr || ended_; });  // another group's are stopped first
  if (!ended_) {
    abandoned_ = &transfers;
    wake_.notify_one();
    changed_.wait(lock, [&] { return abandoned_ != &transfers || ended_; });
  }
  return !broken_;
}

bool MpiBackend::done(const MpiTransfer& transfer) {
  const std::lock_guard lock(mutex_);
  return transfer.done;
}

void MpiBackend::run() {
  try {
    initialize();
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    refusal_ = error.what();
    ended_ = true;
    changed_.notify_all();
    return;
  }
  serve();
}

void MpiBackend::initialize() {
  int running = 0;
  require_success(MPI_Initialized(&running), "MPI_Initialized");
  int level = MPI_THREAD_SINGLE;
  if (running == 0) {
    require_success(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level), "MPI_Init_thread");
  } else {
    require_success(MPI_Query_thread(&level), "MPI_Query_thread");
    if (level < MPI_THREAD_MULTIPLE) {
      throw Error(
          LVX_INVALID_STATE,
          "the application started MPI without MPI_THREAD_MULTIPLE, which sharing it needs; start it so, or "
          "leave starting it to this library");
    }
  }
  require_success(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  // A separate communicator, so that the application's messages do not match ours.
  require_success(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
  require_success(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  const std::lock_guard lock(mutex_);
  require_success(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
  require_success(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
  require_announced_size(size_);
  owns_mpi_ = running == 0;
  ready_ = true;
  changed_.notify_all();
}

void MpiBackend::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (abandoned_ != nullptr) stop(lock);
    if (broken_ || end_wanted_) break;
    std::vector<std::shared_ptr<MpiTransfer>> fresh = std::exchange(submitted_, {});
    const bool watched = waiting_ > 0;
    lock.unlock();
    for (auto& transfer : fresh) {
      begin(*transfer);
      active_.push_back(std::move(transfer));
    }
    bool moved = !fresh.empty();
    bool in_transfer = watched;
    for (auto it = active_.begin(); it != active_.end();) {
      if (progress(**it)) {
        it = active_.erase(it);
        moved = true;
      } else {
        in_transfer |= (*it)->peer != MPI_ANY_SOURCE;
        ++it;
      }
    }
    lock.lock();
    ++passes_;
    if (waiting_for_pass_ > 0) passed_.notify_all();
    if (moved || !submitted_.empty() || abandoned_ != nullptr) continue;
    if (active_.empty()) {
      wake_.wait(lock, [&] { return !submitted_.empty() || abandoned_ != nullptr || end_wanted_; });
    } else {
      wake_.wait_for(lock, in_transfer ? kPauseInTransfer : kPauseIdle);
    }
  }
  if (!broken_ && owns_mpi_) {
    lock.unlock();
    MPI_Finalize();
    lock.lock();
  }
  ended_ = true;
  changed_.notify_all();
  passed_.notify_all();
}

void MpiBackend::begin(MpiTransfer& transfer) {
  std::size_t offset = 0;
  do {
    const std::size_t part = std::min(transfer.bytes - offset, kMostBytesAtOnce);
    MPI_Request& request = transfer.requests.emplace_back(MPI_REQUEST_NULL);
    const int count = static_cast<int>(part);
    const int code =
        transfer.direction == Transfer::Direction::kSend
            ? MPI_Isend(transfer.data + offset, count, MPI_BYTE, transfer.peer, transfer.tag, comm_, &request)
            : MPI_Irecv(transfer.data + offset, count, MPI_BYTE, transfer.peer, transfer.tag, comm_,
                        &request);
    if (code != MPI_SUCCESS) {
      finish(transfer, text_of(code));
      return;
    }
    offset += part;
  } while (offset < transfer.bytes);
}

// Whether the transfer has ended, successfully or not.
bool MpiBackend::progress(MpiTransfer& transfer) {
  for (MPI_Request& request : transfer.requests) {
    if (request == MPI_REQUEST_NULL) continue;
    int complete = 0;
    MPI_Status status{};
    const int code = MPI_Test(&request, &complete, &status);
    if (code != MPI_SUCCESS) {
      finish(transfer, text_of(code));
      return true;
    }
    if (complete == 0) return false;
    transfer.source = status.MPI_SOURCE;
  }
  finish(transfer, {});
  return true;
}

void MpiBackend::finish(MpiTransfer& transfer, const std::string& failure) {
  {
    const std::lock_guard lock(mutex_);
    if (transfer.done || !transfer.failure.empty()) return;
    transfer.done = failure.empty();
    transfer.failure = failure;
    changed_.notify_all();
  }
  if (failure.empty() && transfer.on_done) transfer.on_done(transfer.source);
}

// Ends the abandoned transfers.
void MpiBackend::stop(std::unique_lock<std::mutex>& lock) {
  const std::vector<std::shared_ptr<MpiTransfer>>& abandoned = *abandoned_;
  const auto is_abandoned = [&](const std::shared_ptr<MpiTransfer>& transfer) {
    return std::find(abandoned.begin(), abandoned.end(), transfer) != abandoned.end();
  };
  std::erase_if(submitted_, is_abandoned);
  lock.unlock();
  bool all_ended = true;
  for (auto it = active_.begin(); it != active_.end();) {
    if (!is_abandoned(*it)) {
      ++it;
      continue;
    }
    all_ended &= cancel(**it);
    it = active_.erase(it);
  }
  lock.lock();
  if (!all_ended) {
    broken_ = true;
    refusal_ =
        "MPI cannot be used any more: a group broke off in the middle of transfers, which MPI cannot cancel; "
        "start new processes";
  }
  abandoned_ = nullptr;
  changed_.notify_all();
}

bool MpiBackend::cancel(MpiTransfer& transfer) {
  const auto until = Clock::now() + kPatienceWithCancel;
  bool ended = true;
  for (MPI_Request& request : transfer.requests) {
    if (request == MPI_REQUEST_NULL) continue;
    if (transfer.direction == Transfer::Direction::kReceive) MPI_Cancel(&request);
    int complete = 0;
    do {
      if (MPI_Test(&request, &complete, MPI_STATUS_IGNORE) != MPI_SUCCESS) break;
      if (complete == 0) std::this_thread::sleep_for(kPauseIdle);
    } while (complete == 0 && Clock::now() < until);
    ended &= complete != 0;
  }
  return ended;
}

// MPI_Finalize waits for all peers. It waits forever for a peer that died, or that cannot call it because it has a send that
// cannot be cancelled. So this function waits for a limited time.
void MpiBackend::end_with_process() {
  std::unique_lock lock(mutex_);
  end_wanted_ = true;
  wake_.notify_one();
  const double patience_seconds =
      peers_may_not_end_ ? std::min(kSecondsForBrokenEnd, timeout_seconds_) : timeout_seconds_;
  const auto patience = std::chrono::duration<double>(std::max(patience_seconds, 1.0));
  changed_.wait_for(lock, patience, [&] { return ended_; });
  // A thread that is still in an MPI call ends with the process.
  thread_.detach();
}

}  // namespace lvx
