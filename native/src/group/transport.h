// SPDX-License-Identifier: Apache-2.0
// How one rank reaches the others. Everything that users notice (deadlines, counting, the flight recorder, the check
// that all ranks called the same) is written once, in Group and Call; a transport only moves bytes.
#pragma once

#include <lvx/lvx.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace lvx {

using Clock = std::chrono::steady_clock;

// One message of an exchange. Messages between two ranks match in the order in which they were started.
struct Transfer {
  enum class Direction : std::uint8_t { kSend, kReceive };
  Direction direction;
  int peer;
  std::byte* data;
  std::size_t bytes;
};

inline Transfer send_to(int peer, std::byte* data, std::size_t bytes) {
  return {Transfer::Direction::kSend, peer, data, bytes};
}
inline Transfer receive_from(int peer, std::byte* data, std::size_t bytes) {
  return {Transfer::Direction::kReceive, peer, data, bytes};
}

// Names transfers that were started together.
using Ticket = std::uint64_t;

class Transport {
 public:
  virtual ~Transport() = default;
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  virtual lvx_group_kind kind() const = 0;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // This rank's clock, which statistics are told by. Called by the rank's own thread.
  virtual Clock::time_point now() const { return Clock::now(); }

  // The control plane: small messages of host memory, from every rank to every rank, in rounds counted alike on all.
  // publish never blocks. collect fills all with the round's messages in rank order; it throws Error(LVX_PEER_LOST)
  // for a rank that left and Error(LVX_DEADLINE_EXCEEDED) for one that did not publish in time.
  virtual void publish(std::uint64_t round, std::span<const std::byte> message) = 0;
  virtual void collect(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
                       Clock::time_point deadline) = 0;

  // The data plane. An engine may carry out starts one after the other, so no start may need, to end, what a peer
  // starts only after something that needs a later start of this rank. Memory of a transfer belongs to it from start,
  // even one that throws, until its wait has returned, or leave has: then no peer touches it any more, and no copy that
  // was put on a device. wait throws as collect does. A Call holds the memory for that long.
  virtual Ticket start(std::span<const Transfer> transfers) = 0;
  virtual void wait(Ticket ticket, Clock::time_point deadline) = 0;

  // Ends this rank's part, and all its transfers. Peers that wait for it, now or later, get Error(LVX_PEER_LOST) naming
  // culprit: this rank, or the one that made it fail.
  virtual void leave(int culprit, std::string_view reason) noexcept = 0;
  // After leave: whether there are transfers that could not be ended. Their memory must never be released.
  virtual bool has_stuck_transfers() const noexcept { return false; }
};

}  // namespace lvx
