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
constexpr milliseconds kSlice{10};
// MPI promises tags up to 32767.
constexpr int kGroupsTold = 16000;

}  // namespace

class MpiFabric::Exchange final : public Fabric::Operation {
 public:
  Exchange(MpiFabric& fabric, std::shared_ptr<MpiTransfer> transfer)
      : fabric_(fabric), transfer_(std::move(transfer)) {}

  bool finished() override {
    try {
      if (fabric_.engine_.wait(*transfer_, Clock::now() + kSlice)) return true;
      if (!fabric_.mailbox_->gone(transfer_->peer)) return false;
      // A peer that has left has ended its side. On a busy machine the engine's thread may not have seen that yet.
      fabric_.engine_.await_pass();
      return fabric_.engine_.done(*transfer_);
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

// Does nothing once closed. Forgets transfers that are done, so that the list stays short.
std::shared_ptr<MpiTransfer> MpiFabric::submit(MpiTransfer transfer) {
  auto shared = std::make_shared<MpiTransfer>(std::move(transfer));
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return shared;
    std::erase_if(transfers_, [&](const auto& other) { return other.use_count() == 1; });
    transfers_.push_back(shared);
  }
  engine_.submit(shared);
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
    if (incoming_.bytes > Frame::kPayloadBytes) throw Error(LVX_PEER_LOST, "sent a frame longer than any");
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

// Also to the culprit, and to those who have left: they may wait for this rank's farewell, as await_readers does.
void MpiFabric::flush(const std::vector<std::shared_ptr<MpiTransfer>>& transfers) {
  const auto until = Clock::now() + kFlushPatience;
  for (const auto& transfer : transfers) {
    if (transfer->tag != tag_of_frames() || transfer->direction != Transfer::Direction::kSend) continue;
    try {
      engine_.wait(*transfer, until);
    } catch (const Error&) {
      // whoever cannot be told is gone
    }
  }
}

// A peer that takes a large message reads it where it lies, and MPI cannot take such a send back. So its memory stays as
// it is until the peer has it or has left: by its farewell, as soon as it hears of this rank's.
void MpiFabric::await_readers(const std::vector<std::shared_ptr<MpiTransfer>>& transfers, int culprit) {
  const auto until = engine_.expiry();
  for (const auto& transfer : transfers) {
    if (transfer->tag != tag_of_data() || transfer->direction != Transfer::Direction::kSend) continue;
    if (transfer->peer == culprit) continue;
    while (!engine_.done(*transfer) && !mailbox_->gone(transfer->peer) && Clock::now() < until) {
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
  await_readers(transfers, culprit);  // by their frames, which still come
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    transfers = std::exchange(transfers_, {});
  }
  const bool broke_off =
      culprit != rank() || mailbox_->anyone_broke_off() ||
      std::any_of(transfers.begin(), transfers.end(), [&](const std::shared_ptr<MpiTransfer>& transfer) {
        return transfer->tag == tag_of_data() && !engine_.done(*transfer);
      });
  stuck_ = !engine_.abandon(transfers);
  if (broke_off) engine_.group_broke_off();
}

}  // namespace lvx

extern "C" {

__attribute__((visibility("default"))) const char* lvx_plugin_version() { return LVX_VERSION; }

__attribute__((visibility("default"))) lvx::Transport* lvx_plugin_join_mpi(double deadline_seconds) {
  return new lvx::RemoteTransport(
      std::make_unique<lvx::MpiFabric>(lvx::MpiEngine::started(deadline_seconds)));
}
}
