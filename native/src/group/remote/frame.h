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
    kState = 4      // rank: the one that the sender waits for, or -1; round: its transfers with the receiver
  };

  static constexpr std::size_t kBytes = 2048;
  static constexpr std::size_t kHeaderBytes = 40;
  static constexpr std::size_t kPayloadBytes = kBytes - kHeaderBytes;

  Type type = Type::kControl;
  std::int32_t rank = -1;
  std::uint64_t round = 0;
  std::uint64_t acknowledged =
      0;                     // frames that the sender had received from the receiver; filled by the fabric
  std::uint32_t total = 0;   // bytes of the whole message
  std::uint32_t offset = 0;  // of this part in it
  std::uint32_t bytes = 0;   // of payload
  std::uint32_t reserved = 0;
  std::array<std::byte, kPayloadBytes> payload;

  std::size_t wire_bytes() const { return kHeaderBytes + bytes; }
};

static_assert(sizeof(Frame) == Frame::kBytes && offsetof(Frame, payload) == Frame::kHeaderBytes);

}  // namespace lvx
