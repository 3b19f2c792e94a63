// SPDX-License-Identifier: Apache-2.0
// Moves bytes between one rank and the others. The behaviour that users see (timeouts, statistics, the flight recorder, the
// comparison of announcements) is implemented once, in Group and Collective.
#pragma once

#include <lvx/lvx.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace lvx {

using Clock = std::chrono::steady_clock;

// One message. Sends and receives between two ranks match in the order in which they were started.
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

// Identifies transfers that were started together.
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

  // This rank's clock, for statistics. Called by the rank's own thread.
  virtual Clock::time_point now() const { return Clock::now(); }

  // The control plane: small messages in host memory, from every rank to every rank, in rounds that all ranks number alike.
  // publish never blocks. collect fills `all` with the round's messages in rank order. It throws Error(LVX_PEER_LOST) for a rank
  // that has left, and Error(LVX_TIMEOUT) for a rank that did not publish before the expiry.
  virtual void publish(std::uint64_t round, std::span<const std::byte> message) = 0;
  virtual void collect(std::uint64_t round, std::span<std::byte> all, std::size_t message_bytes,
                       Clock::time_point expiry) = 0;

  // The data plane. A backend may execute starts in order, so a start must not depend on a peer's start that in turn depends on
  // a later start of this rank. A transfer may access its memory from start, even if start throws, until wait or leave returns.
  // After that, no peer and no copy on a device accesses it. A Collective keeps the memory alive for that long. wait throws as
  // collect does.
  virtual Ticket start(std::span<const Transfer> transfers) = 0;
  virtual void wait(Ticket ticket, Clock::time_point expiry) = 0;

  // Leaves the group and ends all transfers of this rank. Peers that wait for this rank, now or later, get Error(LVX_PEER_LOST)
  // that names the culprit: this rank, or the rank that made it fail.
  virtual void leave(int culprit, std::string_view reason) noexcept = 0;
  // After leave: whether there are transfers that could not be stopped. Their memory must never be released.
  virtual bool has_stuck_transfers() const noexcept { return false; }

  // Ends this rank's waits for its peers, current and later ones, until resume: they throw Error(LVX_INTERRUPTED) with the
  // reason. Once the rank has left, all waits of its peers end, too, whichever rank they wait for. Any thread may call both, but not after the destructor has begun. Never blocks.
  virtual void interrupt(std::string_view reason) noexcept = 0;
  virtual void resume() noexcept = 0;
};

}  // namespace lvx
