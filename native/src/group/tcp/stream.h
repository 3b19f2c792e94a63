// SPDX-License-Identifier: Apache-2.0
// One direction of a data connection: the messages that are to go there, in their order. Any thread may move them on;
// nobody reads a message from the connection before there is memory for it.
#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "group/tcp/message.h"
#include "group/tcp/socket.h"

namespace lvx {

class Stream {
 public:
  Stream(const Socket& socket, bool checksums) : socket_(socket), checksums_(checksums) {}
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  enum class Pumped {
    kIdle,     // there is nothing to move
    kBlocked,  // the connection takes or gives nothing now
    kMore,     // there may be more to move: so much was to be moved at once
    kBroken    // the connection, or what came of it
  };

  std::shared_ptr<Message> add(std::byte* data, std::size_t bytes);
  // Moves about budget bytes. Adds the messages that are complete, which the caller then marks as done.
  Pumped pump(std::size_t budget, std::vector<std::shared_ptr<Message>>& complete);
  // Stops the stream, which then accesses no message's memory any more.
  void forget_all();

  // Why nothing moves any more; empty while it does.
  std::string trouble() const;
  // Whether bytes came that should not: then that is the whole reason, while a connection breaks for others.
  bool trouble_is_damage() const { return damaged_; }
  // When a byte last moved; nobody's time before one has.
  Clock::time_point moved() const { return Clock::time_point(Clock::duration(moved_.load())); }
  // The number of complete messages, which are marked as done or soon will be.
  std::uint64_t complete() const { return complete_; }
  // Whether messages are received, not sent.
  virtual bool receives() const = 0;

 protected:
  // As Socket::send_some and receive_some.
  virtual std::ptrdiff_t move(std::span<iovec> pieces) = 0;
  // Before bytes of a message are moved, up to this one of its payload.
  virtual void prepare(const Message& message, std::size_t payload_end) = 0;
  // After, where the bytes are counted from the header's begin. Throws Error where they are not what they should be.
  virtual void accept(const Message& message, std::size_t from, std::size_t to) = 0;

  std::size_t wire_bytes(const Message& message) const {
    return sizeof(MessageHeader) + message.bytes + (checksums_ ? sizeof(MessageTrailer) : 0);
  }
  void hash_up_to(const Message& message, std::size_t payload_end);
  void mark_moved() { moved_ = Clock::now().time_since_epoch().count(); }

  const Socket& socket_;
  const bool checksums_;
  MessageHeader header_;  // of the message that moves
  MessageTrailer trailer_ = 0;
  std::uint32_t sum_ = 0;  // of its payload, so far
  std::size_t summed_ = 0;

 private:
  void break_off(const std::string& trouble, bool damaged);

  mutable std::mutex mutex_;  // of all but the atomics
  std::deque<std::shared_ptr<Message>> queue_;
  std::size_t at_ = 0;  // in the message that moves, counted from its header's begin
  std::uint64_t added_ = 0;
  std::string trouble_;
  std::atomic<bool> damaged_{false};
  std::atomic<Clock::rep> moved_{0};
  std::atomic<std::uint64_t> complete_{0};
};

// What this rank sends to a peer.
class Outgoing final : public Stream {
 public:
  using Stream::Stream;

  bool receives() const override { return false; }
  // As moved(), but a byte that has arrived counts, too: the system takes many at once and sends them slowly.
  Clock::time_point arrived();

 private:
  std::ptrdiff_t move(std::span<iovec> pieces) override { return socket_.send_some(pieces); }
  void prepare(const Message& message, std::size_t payload_end) override;
  void accept(const Message&, std::size_t, std::size_t) override {}

  std::size_t on_the_way_ = 0;  // of the thread that asks
};

// What it receives.
class Incoming final : public Stream {
 public:
  using Stream::Stream;

  bool receives() const override { return true; }

 private:
  std::ptrdiff_t move(std::span<iovec> pieces) override { return socket_.receive_some(pieces); }
  void prepare(const Message&, std::size_t) override {}
  void accept(const Message& message, std::size_t from, std::size_t to) override;
};

}  // namespace lvx
