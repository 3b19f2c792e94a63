// SPDX-License-Identifier: Apache-2.0
#include "group/nccl/nccl_fabric.h"

#include <thread>
#include <utility>

#include "base/error.h"
#include "group/remote/mailbox.h"

namespace lvx {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr microseconds kPause{20};
constexpr milliseconds kSlice{5};
constexpr milliseconds kAskEvery{200};
// A peer's farewell may arrive after NCCL has reported the peer's end. NCCL may report a transfer as complete after the peer has
// left.
constexpr milliseconds kFarewellPatience{300};
constexpr milliseconds kPatienceWithAnswers{1500};
constexpr milliseconds kPatienceWithEnd{1000};
constexpr milliseconds kPatienceWithAbort{5000};

}  // namespace

void NcclRank::take_stream() {
  stream = device->side_stream();
  if (stream == nullptr && !api.moves_host_memory) {
    throw ArgumentError(
        LVX_UNSUPPORTED, "device",
        "NCCL joins CUDA devices, this one is " + device->name() + "; join ranks on CPUs by Gloo or MPI");
  }
}

void NcclRank::begin() { communicator = std::make_unique<Communicator>(api, id, rank, size); }

Clock::time_point NcclRank::expiry() const {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_seconds));
}

class NcclFabric::Exchange final : public Fabric::Operation {
 public:
  Exchange(NcclFabric& fabric, std::shared_ptr<Launch> launch)
      : fabric_(fabric), launch_(std::move(launch)) {}

  bool finished() override {
    const Clock::time_point begin = Clock::now();
    if (ask_at_ == Clock::time_point{}) ask_at_ = begin + kAskEvery;
    if (begin >= ask_at_) {
      fabric_.ask(*launch_);
      ask_at_ = begin + kAskEvery;
    }
    Clock::time_point until = begin + kSlice;
    // The last transfers of a peer that has left may be complete although NCCL has not reported it yet.
    if (fabric_.gone_peer(*launch_) >= 0) until = begin + kFarewellPatience;
    for (;;) {
      fabric_.progress();
      if (launch_->state == Launch::State::kDone) return true;
      if (Clock::now() >= until) return false;
      std::this_thread::sleep_for(kPause);
    }
  }

  int peer() override {
    const int gone = fabric_.gone_peer(*launch_);
    return gone >= 0 ? gone : fabric_.awaited_peer(*launch_);
  }

 private:
  NcclFabric& fabric_;
  const std::shared_ptr<Launch> launch_;
  Clock::time_point ask_at_;
};

NcclFabric::NcclFabric(NcclRank rank, Connections connections)
    : self_(std::move(rank)),
      channel_(self_.rank, std::move(connections.lanes.front()), connections.checksums),
      transfers_with_(static_cast<std::size_t>(self_.size)) {}

NcclFabric::~NcclFabric() { close(rank()); }

void NcclFabric::open(Mailbox& mailbox) {
  mailbox_ = &mailbox;
  channel_.open(mailbox);
  if (self_.communicator == nullptr) connect();
}

// Every rank is connected to the control channel by now. A rank that fails says so there, or does not answer.
void NcclFabric::connect() {
  const Clock::time_point expiry = self_.expiry();
  self_.begin();
  while (!ready()) {
    const int gone = mailbox_->await_any_end(Clock::now() + milliseconds(1));
    if (gone >= 0) mailbox_->throw_lost(gone);
    self_.interruption->require_none(-1);
    if (Clock::now() < expiry) continue;
    mailbox_->forget_answers();
    Frame probe;
    probe.type = Frame::Type::kProbe;
    for (int peer = 0; peer < size(); ++peer) post(peer, probe);
    const int silent = mailbox_->silent_peer(Clock::now() + kPatienceWithAnswers);
    throw Error(LVX_TIMEOUT,
                "NCCL did not connect the ranks within the timeout" +
                    (silent < 0 ? std::string() : ", rank " + std::to_string(silent) + " does not answer"),
                silent);
  }
}

// Like Communicator::ready. After a failure, prefers a peer's farewell to NCCL's error, because the farewell tells more.
bool NcclFabric::ready() {
  try {
    return self_.communicator->ready();
  } catch (const Error&) {
    const int gone = mailbox_->await_any_end(Clock::now() + kFarewellPatience);
    if (gone >= 0) mailbox_->throw_lost(gone);
    throw;
  }
}

void NcclFabric::start(std::span<const Transfer> transfers, Operations& started) {
  progress();
  const auto launch = std::make_shared<Launch>();
  launch->transfers.assign(transfers.begin(), transfers.end());
  for (const Transfer& transfer : transfers) {
    launch->numbers.push_back(++transfers_with_[static_cast<std::size_t>(transfer.peer)]);
  }
  launches_.push_back(launch);
  started.push_back(std::make_unique<Exchange>(*this, launch));
  if (self_.stream != nullptr) self_.stream->follow_device();
  progress();
}

// Makes progress on launches. NCCL accepts one launch at a time, and may execute several concurrently.
void NcclFabric::progress() {
  for (const auto& launch : launches_) {
    if (!advance(*launch)) break;
  }
  while (!launches_.empty() && launches_.front()->state == Launch::State::kDone) launches_.pop_front();
}

// Makes progress on a launch. Returns whether NCCL accepts the next one.
bool NcclFabric::advance(Launch& launch) {
  if (launch.state == Launch::State::kQueued) {
    for (const Transfer& transfer : launch.transfers) mailbox_->count_transfer(transfer.peer);
    launch.state = Launch::State::kLaunching;
    self_.communicator->exchange(launch.transfers,
                                 self_.stream == nullptr ? nullptr : self_.stream->handle());
  }
  if (!ready()) return false;
  if (launch.state == Launch::State::kLaunching) {
    if (self_.stream != nullptr) launch.mark = self_.stream->mark();
    launch.state = Launch::State::kRunning;
  }
  if (launch.mark == nullptr || launch.mark->passed()) launch.state = Launch::State::kDone;
  return true;
}

void NcclFabric::ask(const Launch& launch) {
  Frame probe;
  probe.type = Frame::Type::kProbe;
  for (const Transfer& transfer : launch.transfers) post(transfer.peer, probe);
}

int NcclFabric::gone_peer(const Launch& launch) {
  for (const Transfer& transfer : launch.transfers) {
    if (mailbox_->gone(transfer.peer)) return transfer.peer;
  }
  return -1;
}

// A peer that, as far as is known, has not begun its side of a transfer.
int NcclFabric::awaited_peer(const Launch& launch) {
  for (std::size_t i = 0; i < launch.transfers.size(); ++i) {
    const int peer = launch.transfers[i].peer;
    if (mailbox_->transfers_begun_by(peer) < launch.numbers[i]) return peer;
  }
  return launch.transfers.front().peer;
}

void NcclFabric::close(int culprit) noexcept {
  if (mailbox_ == nullptr || std::exchange(closed_, true)) return;
  channel_.close(culprit);
  // A rank that was interrupted does not wait for its peers to finalize.
  if (self_.communicator != nullptr && launches_.empty() && culprit == rank() && !mailbox_->interrupted()) {
    self_.communicator->finalize(Clock::now() + kPatienceWithEnd);
  }
  self_.communicator.reset();
  drain();
}

// Waits for the stream, because an abort may return before the aborted kernels have ended.
void NcclFabric::drain() noexcept {
  if (self_.stream == nullptr) return;
  try {
    const auto mark = self_.stream->mark();
    const Clock::time_point until = Clock::now() + kPatienceWithAbort;
    while (!mark->passed() && Clock::now() < until) std::this_thread::sleep_for(kPause);
    stuck_ = !mark->passed();
  } catch (const std::exception&) {
    // A device that has failed executes no more work.
  }
}

}  // namespace lvx
