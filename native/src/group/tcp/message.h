// SPDX-License-Identifier: Apache-2.0
// The format of messages on a data connection: a header, the payload, which is read from and written to the ranks' memory
// directly, and the payload's checksum, if there are checksums.
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

// Trivially copyable, because it is sent as bytes.
struct MessageHeader {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  std::uint32_t reserved = 0;
  std::uint32_t checksum = 0;  // of the fields before it
};

static_assert(sizeof(MessageHeader) == 24 && offsetof(MessageHeader, checksum) == 20);

using MessageTrailer = std::uint32_t;

// Bytes that are moved at once: enough to amortise a system call, and few enough to be still in the cache when their checksum
// is computed.
inline constexpr std::size_t kChunkBytes = std::size_t{256} << 10;

}  // namespace lvx
