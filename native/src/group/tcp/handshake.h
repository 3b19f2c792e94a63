// SPDX-License-Identifier: Apache-2.0
// What both sides of a new connection prove to each other before anything else is read from it: that they know the
// group's key. The dialer says who it is, the listener sends a random number, the dialer proves first, and the proof of
// the listener says that it was accepted. Proofs are HMAC-SHA-256 by the key of the side, the two ranks, the size of the
// group, the lane, and the random numbers of both; neither key nor secret travel. Here are bytes only, no sockets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/sha256.h"

namespace lvx {

// Of one group: made of its secret (empty where there is none) and the addresses of all ranks.
using GroupKey = Sha256::Digest;
GroupKey group_key(const std::string& secret, const std::vector<std::span<const std::byte>>& addresses);

// A connection, as its two sides must agree about it. Plain memory: it travels as it is.
struct Ends {
  std::int32_t from = -1;  // the dialer's rank
  std::int32_t to = -1;    // the listener's
  std::int32_t size = 0;
  std::int32_t lane = 0;  // which of several connections between the two

  bool operator==(const Ends&) const = default;
};

class Handshake {
 public:
  enum class State {
    kUnderWay,
    kProved,    // the other side knows the key, and knows that this one does
    kRefused,   // the other side says that this one's proof is wrong
    kImpostor,  // the other side's proof is wrong
    kStranger   // the other side speaks another language, or means another group or rank
  };

  static Handshake dialer(const GroupKey& key, const Ends& ends);
  // Accepts connections to rank, of ranks above it, in lanes below lanes.
  static Handshake listener(const GroupKey& key, int rank, int size, int lanes);

  State state() const { return state_; }
  // Of the dialer from the start, of the listener once it has been told: nothing is proved before state says so.
  const Ends& ends() const { return ends_; }
  // How many bytes are to be given to take next; 0 once nothing more is expected.
  std::size_t expected() const { return expected_; }
  void take(std::span<const std::byte> bytes);
  // What is to be sent now. Also after the end: the last word is for the other side.
  std::vector<std::byte> outgoing() { return std::exchange(outgoing_, {}); }

  // No message is longer.
  static constexpr std::size_t kMostBytes = 64;

 private:
  using Nonce = std::array<std::byte, 32>;
  struct Message;

  Handshake(const GroupKey& key, const Ends& ends, int lanes) : key_(key), ends_(ends), lanes_(lanes) {}
  Sha256::Digest proof_of(const char* side) const;
  void say(const Message& message, std::size_t bytes);
  void end(State state);
  void take_hello(const Message& message);
  void take_challenge(const Message& message);
  void take_proof(const Message& message);
  void take_answer(const Message& message);

  GroupKey key_;
  Ends ends_;
  int lanes_ = 0;  // of a listener
  State state_ = State::kUnderWay;
  void (Handshake::*next_)(const Message&) = nullptr;
  std::size_t expected_ = 0;
  std::vector<std::byte> outgoing_;
  Nonce dialers_{};
  Nonce listeners_{};
};

}  // namespace lvx
