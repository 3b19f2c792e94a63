// SPDX-License-Identifier: Apache-2.0
// The control messages between processes: rounds of the control plane, farewells, and probes, which ask for which rank a
// peer waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace lvx {

struct Frame {
  enum class Type : std::uint32_t {
    kControl = 1,  // a part of a rank's message of one round
    kFarewell =
        2,  // the sender has left; rank: the culprit; total: 1 if it was interrupted; payload: the reason
    kProbe = 3,  // asks which rank the receiver waits for
    // Answers a probe. rank: the rank that the sender waits for, or -1; round: number of transfers that the sender has begun
    // with the receiver; total: milliseconds since a byte last moved on the awaited transfer
    kState = 4,
    kReceived = 5  // round: number of the receiver's messages that the sender has received
  };

  static constexpr std::size_t kBytes = 2048;
  static constexpr std::size_t kHeaderBytes = 40;
  static constexpr std::uint32_t kLongAgo = UINT32_MAX;
  static constexpr std::size_t kPayloadBytes = kBytes - kHeaderBytes;

  Type type = Type::kControl;
  std::int32_t rank = -1;
  std::uint64_t round = 0;
  std::uint32_t total = 0;   // bytes of the whole message
  std::uint32_t offset = 0;  // offset of this part in the message
  std::uint32_t bytes = 0;   // bytes of payload
  // CRC-32C of the payload and, in checksum, of all fields before checksum. Set by fabrics that check them.
  std::uint32_t payload_checksum = 0;
  std::uint32_t broken_off = 0;  // farewell: 1 if transfers of the sender have not ended
  std::uint32_t checksum = 0;
  std::array<std::byte, kPayloadBytes> payload;

  std::size_t wire_bytes() const { return kHeaderBytes + bytes; }
};

static_assert(sizeof(Frame) == Frame::kBytes && offsetof(Frame, payload) == Frame::kHeaderBytes);

}  // namespace lvx
