// SPDX-License-Identifier: Apache-2.0
// How the ranks of a group connect to one another, before NCCL does: by that alone a rank that does not come can be
// named.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "group/nccl/nccl_api.h"
#include "group/nccl/socket.h"

namespace lvx {

// What a rank tells the others. Plain memory: it travels as it is.
struct RankAddress {
  static constexpr std::array<char, 8> kMagic = {'l', 'v', 'x', 'n', 'c', 'c', 'l', '1'};

  std::array<char, 8> magic = kMagic;
  std::array<char, 16> version{};
  std::int32_t rank = 0;
  std::int32_t size = 0;
  std::uint64_t token = 0;  // whoever connects must know it
  SocketAddress socket;
  nccl::UniqueId id;  // rank 0's is the group's
};

class Meeting {
 public:
  // This rank can be reached from now on, by the name host or, where it is empty, its machine's own.
  Meeting(int rank, int size, const std::string& host, const nccl::UniqueId& id);

  const RankAddress& address() const { return own_; }

  // Connects to all others; in rank order, none for the own rank. Once only. Throws Error(LVX_INVALID_ARGUMENT) for one
  // that is no address of this group, Error(LVX_DEADLINE_EXCEEDED) naming a rank that did not come.
  std::vector<Socket> connect(std::span<const RankAddress> addresses, double deadline_seconds);

 private:
  void check(int peer, const RankAddress& theirs) const;
  Socket dial(const RankAddress& theirs, Clock::time_point until) const;
  int welcome(Socket& visitor, Clock::time_point until) const;

  RankAddress own_;
  Socket listener_;
};

}  // namespace lvx
