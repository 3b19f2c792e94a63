// SPDX-License-Identifier: Apache-2.0
// The small messages that processes exchange beside the data: rounds of the control plane, farewells, and the
// question whom a rank waits for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace lvx {

struct Frame {
  enum class Type : std::uint32_t {
    kControl = 1,   // a part of a rank's message of one round
    kFarewell = 2,  // the sender has left; rank names the culprit, payload says why
    kProbe = 3,     // whom do you wait for?
    // rank: the one that the sender waits for, or -1; round: its transfers with the receiver; total: for how many
    // milliseconds no byte has moved on what it waits for
    kState = 4,
    kReceived = 5  // round: messages of the receiver of this that its sender has received
  };

  static constexpr std::size_t kBytes = 2048;
  static constexpr std::size_t kHeaderBytes = 40;
  static constexpr std::uint32_t kLongAgo = UINT32_MAX;
  static constexpr std::size_t kPayloadBytes = kBytes - kHeaderBytes;

  Type type = Type::kControl;
  std::int32_t rank = -1;
  std::uint64_t round = 0;
  std::uint32_t total = 0;   // bytes of the whole message
  std::uint32_t offset = 0;  // of this part in it
  std::uint32_t bytes = 0;   // of payload
  // CRC-32C of the payload, and of all that comes before checksum; filled by fabrics that check them.
  std::uint32_t payload_checksum = 0;
  std::uint32_t broken_off = 0;  // of a farewell: 1 if transfers of the sender have not ended
  std::uint32_t checksum = 0;
  std::array<std::byte, kPayloadBytes> payload;

  std::size_t wire_bytes() const { return kHeaderBytes + bytes; }
};

static_assert(sizeof(Frame) == Frame::kBytes && offsetof(Frame, payload) == Frame::kHeaderBytes);

}  // namespace lvx
