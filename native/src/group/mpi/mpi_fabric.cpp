// SPDX-License-Identifier: Apache-2.0
// The plugin liblvx_mpi.so.
#include "group/mpi/mpi_fabric.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "group/plugin.h"
#include "group/remote/mailbox.h"
#include "group/remote/remote_transport.h"

namespace lvx {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFlushPatience{1000};
// Of a rank that was interrupted: enough for peers that run.
constexpr milliseconds kInterruptedPatience{200};
constexpr milliseconds kSlice{10};
// MPI guarantees tags up to 32767.
constexpr int kGroupsTold = 16000;

}  // namespace

class MpiFabric::Exchange final : public Fabric::Operation {
 public:
  Exchange(MpiFabric& fabric, std::shared_ptr<MpiTransfer> transfer)
      : fabric_(fabric), transfer_(std::move(transfer)) {}

  bool finished() override {
    try {
      if (fabric_.backend_.wait(*transfer_, Clock::now() + kSlice)) return true;
      if (!fabric_.mailbox_->gone(transfer_->peer)) return false;
      // A peer that has left has ended its side. On a busy machine the backend's thread may not have seen that yet.
      fabric_.backend_.await_pass();
      return fabric_.backend_.done(*transfer_);
    } catch (const Error& error) {
      fabric_.mailbox_->connection_lost(transfer_->peer, error.what());
      return false;
    }
  }
  int peer() override { return transfer_->peer; }

 private:
  MpiFabric& fabric_;
  const std::shared_ptr<MpiTransfer> transfer_;
};

MpiFabric::~MpiFabric() { close(rank()); }

int MpiFabric::tag_of_data() const { return 2 * (group_ % kGroupsTold); }
int MpiFabric::tag_of_frames() const { return tag_of_data() + 1; }

void MpiFabric::open(Mailbox& mailbox) {
  mailbox_ = &mailbox;
  if (size() > 1) expect_frame();
}

// Does nothing once closed. Removes transfers that are done, so that the list stays short.
std::shared_ptr<MpiTransfer> MpiFabric::submit(MpiTransfer transfer) {
  auto shared = std::make_shared<MpiTransfer>(std::move(transfer));
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return shared;
    std::erase_if(transfers_, [&](const auto& other) { return other.use_count() == 1; });
    transfers_.push_back(shared);
  }
  backend_.submit(shared);
  return shared;
}

void MpiFabric::expect_frame() {
  MpiTransfer transfer{Transfer::Direction::kReceive, MPI_ANY_SOURCE, tag_of_frames(),
                       reinterpret_cast<std::byte*>(&incoming_), sizeof(Frame)};
  transfer.on_done = [this](int source) { take_frame(source); };
  submit(std::move(transfer));
}

void MpiFabric::take_frame(int source) {
  try {
    if (incoming_.bytes > Frame::kPayloadBytes)
      throw Error(LVX_PEER_LOST, "sent a frame that exceeds the maximum length");
    const std::optional<Frame> answer = mailbox_->deliver(source, incoming_);
    if (answer) post(source, *answer);
  } catch (const std::exception& error) {
    mailbox_->connection_lost(source, error.what());
  }
  expect_frame();
}

void MpiFabric::post(int peer, Frame frame) noexcept {
  try {
    auto outgoing = std::make_shared<Frame>(frame);
    MpiTransfer transfer{Transfer::Direction::kSend, peer, tag_of_frames(),
                         reinterpret_cast<std::byte*>(outgoing.get()), frame.wire_bytes()};
    transfer.on_done = [outgoing](int) {};
    submit(std::move(transfer));
  } catch (const std::exception& error) {
    mailbox_->connection_lost(peer, error.what());
  }
}

void MpiFabric::start(std::span<const Transfer> transfers, Operations& started) {
  started.reserve(transfers.size());
  for (const Transfer& transfer : transfers) {
    started.push_back(std::make_unique<Exchange>(
        *this, submit({transfer.direction, transfer.peer, tag_of_data(), transfer.data, transfer.bytes})));
  }
}

// Waits for sends to all peers, even to the culprit and to ranks that have left, since they may wait for this rank's farewell
// in await_readers.
void MpiFabric::flush(const std::vector<std::shared_ptr<MpiTransfer>>& transfers) {
  const auto until = Clock::now() + (mailbox_->interrupted() ? kInterruptedPatience : kFlushPatience);
  for (const auto& transfer : transfers) {
    if (transfer->tag != tag_of_frames() || transfer->direction != Transfer::Direction::kSend) continue;
    try {
      backend_.wait(*transfer, until);
    } catch (const Error&) {
      // A peer that cannot be reached has gone.
    }
  }
}

// A peer reads a large message directly from this rank's memory, and MPI cannot cancel such a send. So this rank keeps that
// memory unchanged until the peer has received the message, or has sent the farewell with which it answers this rank's.
void MpiFabric::await_readers(const std::vector<std::shared_ptr<MpiTransfer>>& transfers, int culprit) {
  const auto until = mailbox_->interrupted() ? Clock::now() + kInterruptedPatience : backend_.expiry();
  for (const auto& transfer : transfers) {
    if (transfer->tag != tag_of_data() || transfer->direction != Transfer::Direction::kSend) continue;
    if (transfer->peer == culprit) continue;
    while (!backend_.done(*transfer) && !mailbox_->gone(transfer->peer) && Clock::now() < until) {
      mailbox_->await_end_of(transfer->peer, Clock::now() + kSlice);
    }
  }
}

void MpiFabric::close(int culprit) noexcept {
  std::vector<std::shared_ptr<MpiTransfer>> transfers;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || mailbox_ == nullptr) return;
    transfers = transfers_;
  }
  flush(transfers);
  await_readers(transfers, culprit);  // before closed_ is set, because it needs the peers' frames
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    transfers = std::exchange(transfers_, {});
  }
  const bool broke_off =
      culprit != rank() || mailbox_->anyone_broke_off() ||
      std::any_of(transfers.begin(), transfers.end(), [&](const std::shared_ptr<MpiTransfer>& transfer) {
        return transfer->tag == tag_of_data() && !backend_.done(*transfer);
      });
  stuck_ = !backend_.abandon(transfers);
  if (broke_off) backend_.group_broke_off();
}

}  // namespace lvx

extern "C" {

__attribute__((visibility("default"))) const char* lvx_plugin_version() { return LVX_VERSION; }

__attribute__((visibility("default"))) lvx::Transport* lvx_plugin_join_mpi(double timeout_seconds) {
  return new lvx::RemoteTransport(
      std::make_unique<lvx::MpiFabric>(lvx::MpiBackend::started(timeout_seconds)));
}
}
