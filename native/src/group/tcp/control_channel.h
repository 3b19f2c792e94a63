// SPDX-License-Identifier: Apache-2.0
// The frames of the control plane. They have a separate TCP connection with each peer, because a farewell may be sent at any
// time and must not wait behind data. Used by TCP and NCCL groups.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "group/remote/frame.h"
#include "group/tcp/socket.h"

namespace lvx {

class Mailbox;

class ControlChannel {
 public:
  // Connections in rank order; none() for this rank.
  ControlChannel(int rank, std::vector<Socket> connections, bool checksums);
  ~ControlChannel();
  ControlChannel(const ControlChannel&) = delete;
  ControlChannel& operator=(const ControlChannel&) = delete;

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(peers_.size()); }

  // As in Fabric.
  void open(Mailbox& mailbox);
  void post(int peer, Frame frame) noexcept;
  void close(int culprit) noexcept;

 private:
  struct Peer {
    Socket connection;  // only the thread reads from it
    Frame incoming;
    std::size_t received = 0;  // bytes of incoming that have arrived

    std::mutex mutex;  // guards the members below
    std::deque<std::byte> unsent;
    bool broken = false;
  };

  Peer& at(int peer) { return *peers_[static_cast<std::size_t>(peer)]; }
  void serve();
  bool receive(int peer);
  void check_header(const Frame& frame) const;
  void take_frame(int peer);
  bool send_unsent(Peer& peer);
  void wake() noexcept;
  void flush(int culprit);

  const int rank_;
  const bool checksums_;
  std::vector<std::unique_ptr<Peer>> peers_;
  Mailbox* mailbox_ = nullptr;
  Socket wake_;  // an eventfd: signals frames to send, or close
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace lvx
