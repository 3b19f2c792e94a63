// SPDX-License-Identifier: Apache-2.0
// Every connection carries two kinds of messages, each numbered by itself: data (even slots) and frames (odd slots).
#include "group/gloo/gloo_fabric.h"

#include <gloo/common/error.h>

#include <utility>

#include "base/error.h"
#include "group/gloo/signals.h"
#include "group/remote/mailbox.h"

namespace lvx {
namespace {

using gloo::transport::UnboundBuffer;
using std::chrono::milliseconds;

constexpr milliseconds kTick{10};
constexpr milliseconds kForever = std::chrono::hours(24 * 365 * 30);
constexpr milliseconds kFlushPatience{1000};
// Gloo tells of a broken connection twice: to operations, and to the listener, who may still hold a farewell.
constexpr milliseconds kFarewellPatience{200};

std::uint64_t slot_of_data(std::uint64_t number) { return 2 * number; }
std::uint64_t slot_of_frame(std::uint64_t number) { return 2 * number + 1; }

// Without the place in Gloo's sources that begins its messages.
std::string text_of(const std::exception& error) {
  const std::string text = error.what();
  const std::size_t end = text.find("] ");
  return "the connection broke (" +
         (text.starts_with('[') && end != text.npos ? text.substr(end + 2) : text) + ")";
}

}  // namespace

class GlooFabric::Exchange final : public Fabric::Operation {
 public:
  Exchange(GlooFabric& fabric, const Transfer& transfer)
      : fabric_(fabric),
        transfer_(transfer),
        buffer_(sends() ? fabric.connections_->buffer_to(transfer.peer, transfer.data, transfer.bytes)
                        : fabric.connections_->buffer_from(transfer.peer, transfer.data, transfer.bytes)) {
    GlooConnections& connections = *fabric_.connections_;
    Peer& peer = fabric_.at(transfer.peer);
    const std::lock_guard lock(peer.mutex);
    if (sends()) {
      connections.to(transfer.peer)->send(buffer_.get(), slot_of_data(peer.data_sent++), 0, transfer.bytes);
    } else {
      connections.from(transfer.peer)
          ->recv(buffer_.get(), slot_of_data(peer.data_received++), 0, transfer.bytes);
    }
  }

  bool finished() override {
    if (finished_) return true;
    try {
      finished_ = fabric_.wait_on(*buffer_, transfer_.direction);
    } catch (const gloo::Exception& error) {
      fabric_.mailbox_->await_end_of(transfer_.peer, Clock::now() + kFarewellPatience);
      fabric_.mailbox_->connection_lost(transfer_.peer, text_of(error));
    }
    return finished_;
  }
  int peer() override { return transfer_.peer; }

 private:
  bool sends() const { return transfer_.direction == Transfer::Direction::kSend; }

  GlooFabric& fabric_;
  const Transfer transfer_;
  const Buffer buffer_;
  bool finished_ = false;
};

GlooFabric::GlooFabric(std::unique_ptr<GlooConnections> connections) : connections_(std::move(connections)) {
  for (int peer = 0; peer < size(); ++peer) peers_.push_back(std::make_unique<Peer>());
}

GlooFabric::~GlooFabric() { close(rank()); }

void GlooFabric::open(Mailbox& mailbox) {
  mailbox_ = &mailbox;
  const NoPipeSignal guard;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank()) expect_frames(peer);
  }
  ticker_ = std::thread([this] { tick(); });
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank()) at(peer).listener = std::thread([this, peer] { listen(peer); });
  }
}

void GlooFabric::expect_frames(int peer) {
  for (std::size_t i = 0; i < kFramesAhead; ++i) {
    Incoming& incoming = at(peer).incoming[i];
    incoming.buffer = connections_->buffer_from(peer, &incoming.frame, sizeof(Frame));
    try {
      connections_->from(peer)->recv(incoming.buffer.get(), slot_of_frame(i), 0, sizeof(Frame));
    } catch (const std::exception& error) {
      mailbox_->connection_lost(peer, text_of(error));
    }
  }
}

// The thread of one peer: takes its frames until the connection ends.
void GlooFabric::listen(int peer) {
  Peer& from = at(peer);
  try {
    for (std::uint64_t number = 0;; ++number) {
      Incoming& incoming = from.incoming[number % kFramesAhead];
      while (!incoming.buffer->waitRecv(kForever)) {
        if (closing_) return;
      }
      const Frame& frame = incoming.frame;
      if (frame.bytes > Frame::kPayloadBytes) throw Error(LVX_PEER_LOST, "sent a frame longer than any");
      from.frames_received = number + 1;
      forget_acknowledged(from, frame.acknowledged);
      const std::optional<Frame> answer = mailbox_->deliver(peer, frame);
      if (answer) post(peer, *answer);
      connections_->from(peer)->recv(incoming.buffer.get(), slot_of_frame(number + kFramesAhead), 0,
                                     sizeof(Frame));
    }
  } catch (const gloo::Exception& error) {
    mailbox_->connection_lost(peer, text_of(error));
  } catch (const std::exception& error) {
    mailbox_->connection_lost(peer, error.what());
  }
}

void GlooFabric::post(int peer, Frame frame) noexcept {
  Peer& to = at(peer);
  try {
    const NoPipeSignal guard;
    const std::lock_guard lock(to.mutex);
    frame.acknowledged = to.frames_received;
    Outgoing& outgoing = to.unacknowledged.emplace_back(Outgoing{frame, nullptr});
    outgoing.buffer = connections_->buffer_to(peer, &outgoing.frame, frame.wire_bytes());
    connections_->to(peer)->send(outgoing.buffer.get(), slot_of_frame(to.frames_sent++), 0,
                                 frame.wire_bytes());
  } catch (const std::exception& error) {
    mailbox_->await_end_of(peer, Clock::now() + kFarewellPatience);
    mailbox_->connection_lost(peer, text_of(error));
  }
}

void GlooFabric::forget_acknowledged(Peer& peer, std::uint64_t acknowledged) {
  const std::lock_guard lock(peer.mutex);
  while (!peer.unacknowledged.empty() && peer.frames_sent - peer.unacknowledged.size() < acknowledged) {
    peer.unacknowledged.pop_front();
  }
}

void GlooFabric::start(std::span<const Transfer> transfers, Operations& started) {
  const NoPipeSignal guard;
  started.reserve(transfers.size());
  for (const Transfer& transfer : transfers) {
    try {
      started.push_back(std::make_unique<Exchange>(*this, transfer));
    } catch (const gloo::Exception& error) {
      mailbox_->await_end_of(transfer.peer, Clock::now() + kFarewellPatience);
      mailbox_->connection_lost(transfer.peer, text_of(error));
      mailbox_->throw_lost(transfer.peer);
    }
  }
}

// Waits until done or the next tick.
bool GlooFabric::wait_on(UnboundBuffer& buffer, Transfer::Direction direction) {
  struct Waiting {
    GlooFabric& fabric;
    explicit Waiting(GlooFabric& of, UnboundBuffer* buffer) : fabric(of) { set(buffer); }
    ~Waiting() { set(nullptr); }
    void set(UnboundBuffer* buffer) {
      const std::lock_guard lock(fabric.tick_mutex_);
      fabric.waited_for_ = buffer;
    }
  };
  const Waiting waiting(*this, &buffer);
  return direction == Transfer::Direction::kSend ? buffer.waitSend(kForever) : buffer.waitRecv(kForever);
}

void GlooFabric::tick() {
  std::unique_lock lock(tick_mutex_);
  while (!tick_wake_.wait_for(lock, kTick, [&] { return stop_ticking_; })) {
    if (waited_for_ == nullptr) continue;
    waited_for_->abortWaitSend();
    waited_for_->abortWaitRecv();
  }
}

// The listeners have ended, so nobody else touches what was posted.
void GlooFabric::flush(int culprit) {
  const auto until = Clock::now() + kFlushPatience;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank() || peer == culprit || mailbox_->gone(peer)) continue;
    for (const Outgoing& outgoing : at(peer).unacknowledged) {
      try {
        while (!wait_on(*outgoing.buffer, Transfer::Direction::kSend) && Clock::now() < until) {
        }
      } catch (const gloo::Exception&) {
        break;  // the connection is gone, and with it whom to tell
      }
    }
  }
}

void GlooFabric::close(int culprit) noexcept {
  if (mailbox_ == nullptr || closing_.exchange(true)) return;
  const NoPipeSignal guard;
  for (const auto& peer : peers_) {
    for (Incoming& incoming : peer->incoming) {
      if (incoming.buffer) incoming.buffer->abortWaitRecv();
    }
  }
  for (const auto& peer : peers_) {
    if (peer->listener.joinable()) peer->listener.join();
  }
  flush(culprit);
  // A closed pair touches no memory any more; only then may buffers go.
  for (int peer = 0; peer < size(); ++peer) connections_->close(peer);
  for (const auto& peer : peers_) {
    peer->unacknowledged.clear();
    for (Incoming& incoming : peer->incoming) incoming.buffer.reset();
  }
  {
    const std::lock_guard lock(tick_mutex_);
    stop_ticking_ = true;
  }
  tick_wake_.notify_all();
  ticker_.join();
}

}  // namespace lvx
