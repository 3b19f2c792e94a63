// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "group/tcp/address.h"

namespace lvx {

// A rank's address, which the caller exchanges. Additional data of the backend follow it. Trivially copyable, because it is sent
// as bytes.
struct RankAddress {
  static constexpr std::array<char, 8> kMagic = {'l', 'v', 'x', 't', 'c', 'p', ' ', '1'};

  std::array<char, 8> magic = kMagic;
  std::array<char, 16> version{};
  std::int32_t rank = 0;
  std::int32_t size = 0;
  std::int32_t lanes = 0;  // number of connections with each peer
  std::int32_t checksums = 0;
  TcpAddress socket;
  std::uint32_t reserved = 0;
  std::array<std::byte, 32> random{};  // part of the key, so that a peer must know this address
};

static_assert(sizeof(RankAddress) == 96);

}  // namespace lvx
