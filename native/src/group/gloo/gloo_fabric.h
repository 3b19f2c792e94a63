// SPDX-License-Identifier: Apache-2.0
// Processes joined by Gloo's TCP pairs.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "group/gloo/gloo_connections.h"
#include "group/remote/fabric.h"

namespace lvx {

class GlooFabric final : public Fabric {
 public:
  // All are connected.
  explicit GlooFabric(std::unique_ptr<GlooConnections> connections);
  ~GlooFabric() override;

  lvx_group_kind kind() const override { return LVX_GROUP_GLOO; }
  int rank() const override { return connections_->rank(); }
  int size() const override { return connections_->size(); }
  void open(Mailbox& mailbox) override;
  void post(int peer, Frame frame) noexcept override;
  void start(std::span<const Transfer> transfers, Operations& started) override;
  void close(int culprit) noexcept override;

 private:
  class Exchange;
  using Buffer = GlooConnections::Buffer;

  // Frames are received ahead of need, so that a peer that leaves can say so at once.
  static constexpr std::size_t kFramesAhead = 4;

  struct Incoming {
    Frame frame;
    Buffer buffer;
  };
  struct Outgoing {
    Frame frame;
    Buffer buffer;
  };
  struct Peer {
    std::array<Incoming, kFramesAhead> incoming;
    std::thread listener;
    std::atomic<std::uint64_t> frames_received{0};

    std::mutex mutex;  // of the rest
    std::uint64_t frames_sent = 0;
    std::deque<Outgoing> unacknowledged;
    std::uint64_t data_sent = 0;
    std::uint64_t data_received = 0;
  };

  Peer& at(int peer) { return *peers_[static_cast<std::size_t>(peer)]; }
  void expect_frames(int peer);
  void listen(int peer);
  void forget_acknowledged(Peer& peer, std::uint64_t acknowledged);
  bool wait_on(gloo::transport::UnboundBuffer& buffer, Transfer::Direction direction);
  void tick();
  void flush(int culprit);

  std::unique_ptr<GlooConnections> connections_;
  std::vector<std::unique_ptr<Peer>> peers_;
  Mailbox* mailbox_ = nullptr;
  std::atomic<bool> closing_{false};

  // Gloo's own time-outs close every pair, so waits are without one, and a ticker interrupts them.
  std::mutex tick_mutex_;
  std::condition_variable tick_wake_;
  gloo::transport::UnboundBuffer* waited_for_ = nullptr;
  bool stop_ticking_ = false;
  std::thread ticker_;
};

}  // namespace lvx
