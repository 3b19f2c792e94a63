// SPDX-License-Identifier: Apache-2.0
// The frames of the control plane, over one TCP connection with each peer that carries nothing else: a farewell comes
// when nobody expects it, and must not wait behind data. Serves ranks that are joined over TCP or by NCCL.
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
  // Connections in rank order, none for the own rank.
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
  void check_header(const Frame& frame) const;
  void take_frame(int peer);
  bool send_unsent(Peer& peer);
  void wake() noexcept;
  void flush(int culprit);

  const int rank_;
  const bool checksums_;
  std::vector<std::unique_ptr<Peer>> peers_;
  Mailbox* mailbox_ = nullptr;
  Socket wake_;  // an event descriptor: something waits to be sent, or the end has come
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace lvx
