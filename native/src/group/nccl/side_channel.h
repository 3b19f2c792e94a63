// SPDX-License-Identifier: Apache-2.0
// The frames of the control plane, over one TCP connection with each peer. NCCL cannot carry them: it moves only what
// both sides have announced, in one order, and a farewell comes when nobody expects it.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "group/nccl/socket.h"
#include "group/remote/frame.h"

namespace lvx {

class Mailbox;

class SideChannel {
 public:
  // Connections in rank order, none for the own rank.
  SideChannel(int rank, std::vector<Socket> connections);
  ~SideChannel();
  SideChannel(const SideChannel&) = delete;
  SideChannel& operator=(const SideChannel&) = delete;

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(peers_.size()); }

  // As in Fabric.
  void open(Mailbox& mailbox);
  void post(int peer, const Frame& frame) noexcept;
  void close(int culprit) noexcept;

 private:
  struct Peer {
    Socket connection;  // read by the thread alone
    Frame incoming;
    std::size_t received = 0;  // bytes of incoming

    std::mutex mutex;  // of the rest
    std::deque<std::byte> unsent;
    bool broken = false;
  };

  Peer& at(int peer) { return *peers_[static_cast<std::size_t>(peer)]; }
  void serve();
  bool receive(int peer);
  bool take_frame(int peer);
  bool send_unsent(Peer& peer);
  void wake() noexcept;
  void flush(int culprit);

  const int rank_;
  std::vector<std::unique_ptr<Peer>> peers_;
  Mailbox* mailbox_ = nullptr;
  Socket wake_;  // an event descriptor: something waits to be sent, or the end has come
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace lvx
