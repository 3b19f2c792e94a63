// SPDX-License-Identifier: Apache-2.0
// The meeting connects the ranks of a group: each connects to lower ranks and accepts connections of higher ranks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "group/plugin.h"
#include "group/tcp/rank_address.h"
#include "group/tcp/reception.h"

namespace lvx {

// The result of a meeting: mutually authenticated connections.
struct Connections {
  int rank = 0;
  bool checksums = true;
  std::vector<std::vector<Socket>> lanes;  // per lane, in rank order; none() for this rank
};

class Meeting {
 public:
  // Starts listening. extra is sent with the rank's address, with the same size on every rank. Throws
  // Error(LVX_INVALID_ARGUMENT) for a host that is not this machine's.
  Meeting(int rank, int size, int lanes, const JoinOptions& options, std::span<const std::byte> extra = {});

  int rank() const { return rank_; }
  int size() const { return size_; }
  std::span<const std::byte> address() const { return address_; }
  // The extra bytes of a rank's address, whose length must equal that of this rank's address.
  std::span<const std::byte> extra_of(std::span<const std::byte> address) const;

  // Connects to all others, whose addresses are in rank order. Once only. Throws Error(LVX_INVALID_ARGUMENT) for one
  // that is not an address of this group, Error(LVX_PEER_MISMATCH) naming a rank with another secret, and
  // Error(LVX_TIMEOUT) naming a missing one.
  Connections connect(const std::vector<std::span<const std::byte>>& addresses);

 private:
  struct Dial;

  RankAddress header_of(int peer, std::span<const std::byte> address) const;
  void check(int peer, const RankAddress& theirs) const;
  void begin(Dial& dial) const;
  void advance(Dial& dial, Connections& connections) const;
  void require_acceptance(const std::vector<Dial>& dials, Clock::time_point now,
                          Clock::time_point& expiry) const;
  void await(std::vector<Dial>& dials, Reception& reception, Connections& connections,
             Clock::time_point until) const;
  void require_all(const std::vector<Dial>& dials, const Reception& reception,
                   const Connections& connections) const;

  const int rank_;
  const int size_;
  const int lanes_;
  const JoinOptions options_;
  Socket listener_;
  std::vector<std::byte> address_;
  GroupKey key_{};
  bool loopback_ = false;
};

}  // namespace lvx
