// SPDX-License-Identifier: Apache-2.0
// One direction of a data connection: a queue of messages. Any thread may make progress on it. A message is read from the
// connection only when there is memory for it.
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
    kIdle,     // the queue is empty
    kBlocked,  // the connection would block
    kMore,     // the budget is used up, and there may be more to move
    kBroken    // the connection has broken, or invalid bytes arrived
  };

  std::shared_ptr<Message> add(std::byte* data, std::size_t bytes);
  // Moves about budget bytes. Adds the messages that are complete, which the caller then marks as done.
  Pumped pump(std::size_t budget, std::vector<std::shared_ptr<Message>>& complete);
  // Stops the stream, which then accesses no message's memory any more.
  void forget_all();

  // Why the stream has stopped; empty if it has not.
  std::string trouble() const;
  // Whether the stream stopped because invalid bytes arrived. A broken connection, in contrast, may be the effect of an error
  // elsewhere.
  bool trouble_is_damage() const { return damaged_; }
  // When a byte last moved; the epoch before the first.
  Clock::time_point moved() const { return Clock::time_point(Clock::duration(moved_.load())); }
  // The number of complete messages, which are marked as done or soon will be.
  std::uint64_t complete() const { return complete_; }
  // Whether messages are received, not sent.
  virtual bool receives() const = 0;

 protected:
  // Socket::send_some or receive_some.
  virtual std::ptrdiff_t move(std::span<iovec> pieces) = 0;
  // Called before bytes of a message are moved. payload_end: the offset in the payload up to which bytes may be moved.
  virtual void prepare(const Message& message, std::size_t payload_end) = 0;
  // Called after bytes [from, to) were moved, counted from the beginning of the header. Throws Error if they are invalid.
  virtual void accept(const Message& message, std::size_t from, std::size_t to) = 0;

  std::size_t wire_bytes(const Message& message) const {
    return sizeof(MessageHeader) + message.bytes + (checksums_ ? sizeof(MessageTrailer) : 0);
  }
  void hash_up_to(const Message& message, std::size_t payload_end);
  void mark_moved() { moved_ = Clock::now().time_since_epoch().count(); }

  const Socket& socket_;
  const bool checksums_;
  MessageHeader header_;  // of the current message
  MessageTrailer trailer_ = 0;
  std::uint32_t sum_ = 0;  // checksum of its payload so far
  std::size_t summed_ = 0;

 private:
  void break_off(const std::string& trouble, bool damaged);

  mutable std::mutex mutex_;  // guards all members except the atomics
  std::deque<std::shared_ptr<Message>> queue_;
  std::size_t at_ = 0;  // bytes of the current message that were moved, header included
  std::uint64_t added_ = 0;
  std::string trouble_;
  std::atomic<bool> damaged_{false};
  std::atomic<Clock::rep> moved_{0};
  std::atomic<std::uint64_t> complete_{0};
};

// The messages that this rank sends to a peer.
class Outgoing final : public Stream {
 public:
  using Stream::Stream;

  bool receives() const override { return false; }
  // Like moved(), but also counts bytes when the peer's system acknowledges them, because the system may buffer many bytes and
  // send them slowly.
  Clock::time_point arrived();

 private:
  std::ptrdiff_t move(std::span<iovec> pieces) override { return socket_.send_some(pieces); }
  void prepare(const Message& message, std::size_t payload_end) override;
  void accept(const Message&, std::size_t, std::size_t) override {}

  std::size_t on_the_way_ = 0;  // unacknowledged bytes; used only by the thread that calls arrived
};

// The messages that this rank receives from a peer.
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
