// SPDX-License-Identifier: Apache-2.0
// The data plane: messages directly from and to the ranks' memory, over one bidirectional TCP connection with each peer. Frames
// have separate connections: a message waits on its connection until its receiver has memory for it, and control messages must
// not wait behind it. A send is complete when its receiver confirms it. So a call completes on a rank only if the peers have
// received this rank's messages.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "group/remote/fabric.h"
#include "group/tcp/stream.h"

namespace lvx {

class Mailbox;

class DataChannel {
 public:
  // Tells a peer how many of its messages have been received. Any thread may call it; never blocks.
  using Acknowledge = std::function<void(int peer, std::uint64_t messages)>;

  // Connections in rank order; none() for this rank.
  DataChannel(int rank, std::vector<Socket> connections, bool checksums, Acknowledge acknowledge);
  ~DataChannel() { close(); }
  DataChannel(const DataChannel&) = delete;
  DataChannel& operator=(const DataChannel&) = delete;

  // As in Fabric.
  void open(Mailbox& mailbox);
  std::unique_ptr<Fabric::Operation> start(const Transfer& transfer);
  void close() noexcept;

 private:
  class Exchange;
  struct Peer {
    Peer(int number, Socket connected, bool checksums)
        : rank(number),
          connection(std::move(connected)),
          outgoing(connection, checksums),
          incoming(connection, checksums) {}

    const int rank;
    Socket connection;
    Outgoing outgoing;
    Incoming incoming;
  };

  int size() const { return static_cast<int>(peers_.size()); }
  Peer& at(int peer) { return *peers_[static_cast<std::size_t>(peer)]; }
  // A direction of a connection that can make progress.
  struct Work {
    Peer* peer;
    Stream* stream;
  };
  Stream::Pumped pump(const Work& work, std::size_t budget);
  void hand_over(const Work& work);
  void serve();
  void take_events(std::vector<Work>& busy);
  void wake() noexcept;

  const Acknowledge acknowledge_;
  std::vector<std::unique_ptr<Peer>> peers_;
  Mailbox* mailbox_ = nullptr;
  Socket events_;  // an epoll descriptor
  Socket wake_;    // an eventfd: signals handed-over work, or close
  std::atomic<bool> closing_{false};
  std::thread thread_;

  std::mutex mutex_;                 // guards the members below
  std::condition_variable changed_;  // a message is complete, or a stream has broken
  std::vector<Work> handed_over_;
};

}  // namespace lvx
