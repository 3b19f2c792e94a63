// SPDX-License-Identifier: Apache-2.0
// The data plane: messages of the ranks' own memory, over one TCP connection with each peer, which both directions
// share. Frames have connections of their own: a message waits on its connection until its receiver has memory for it,
// and what ranks have to say to one another must not wait behind it. A message is sent when its receiver says that it has
// it: so a rank ends no call well whose peers did not.
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

  // Connections in rank order, none for the own rank.
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
  // A direction of a connection that can go on.
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
  Socket events_;  // of epoll
  Socket wake_;    // an event descriptor: something was handed over, or the end has come
  std::atomic<bool> closing_{false};
  std::thread thread_;

  std::mutex mutex_;                 // of the rest
  std::condition_variable changed_;  // a message is done, or a stream has broken
  std::vector<Work> handed_over_;
};

}  // namespace lvx
