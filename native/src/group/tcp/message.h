// SPDX-License-Identifier: Apache-2.0
// Messages as they travel on a data connection: a header, the payload straight from and to the memory of the two
// ranks, and its checksum, if there are checksums.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace lvx {

struct Message {
  Message(std::byte* begin, std::size_t length, std::uint64_t place)
      : data(begin), bytes(length), number(place) {}

  std::byte* const data;
  const std::size_t bytes;
  const std::uint64_t number;     // per connection and direction, from 1
  std::atomic<bool> done{false};  // complete and, if received, acknowledged
};

// Plain memory: it travels as it is.
struct MessageHeader {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  std::uint32_t reserved = 0;
  std::uint32_t checksum = 0;  // of all before it
};

static_assert(sizeof(MessageHeader) == 24 && offsetof(MessageHeader, checksum) == 20);

using MessageTrailer = std::uint32_t;

// What is moved at once: so much that a call of the system costs nothing beside it, so little that it is still in the
// processor's cache when its checksum is computed.
inline constexpr std::size_t kChunkBytes = std::size_t{256} << 10;

}  // namespace lvx
