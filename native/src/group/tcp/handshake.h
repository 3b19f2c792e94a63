// SPDX-License-Identifier: Apache-2.0
// Mutual authentication of a new connection, before anything else is read from it: both sides prove that they know the group's
// key. The dialer sends its rank and a random number, the listener sends a random number, the dialer sends its proof, and the
// listener answers with its own proof, which is the acceptance. Proofs are HMAC-SHA-256 over side, both ranks, group size, lane
// and both random numbers; neither key nor secret is sent. This file handles bytes, not sockets.
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

// The key of one group, derived from its secret (empty if there is none) and the addresses of all ranks.
using GroupKey = Sha256::Digest;
GroupKey group_key(const std::string& secret, const std::vector<std::span<const std::byte>>& addresses);

// The properties of a connection on which both sides must agree. Trivially copyable, because it is sent as bytes.
struct Ends {
  std::int32_t from = -1;  // the dialer's rank
  std::int32_t to = -1;    // the listener's rank
  std::int32_t size = 0;
  std::int32_t lane = 0;  // index of the connection between the two ranks

  bool operator==(const Ends&) const = default;
};

class Handshake {
 public:
  enum class State {
    kUnderWay,
    kProved,    // both sides have proved that they know the key
    kRefused,   // the other side rejected this side's proof
    kImpostor,  // the other side's proof is wrong
    kForeign    // the other side uses another protocol, or expected another group or rank
  };

  static Handshake dialer(const GroupKey& key, const Ends& ends);
  // Accepts connections to `rank` from higher ranks, on lanes below `lanes`.
  static Handshake listener(const GroupKey& key, int rank, int size, int lanes);

  State state() const { return state_; }
  // The dialer knows them from the start, the listener after the dialer's first message. Not authenticated before kProved.
  const Ends& ends() const { return ends_; }
  // The number of bytes that take expects next; 0 if no more are expected.
  std::size_t expected() const { return expected_; }
  void take(std::span<const std::byte> bytes);
  // The bytes to send now. To be called after the end, too: the last message is for the other side.
  std::vector<std::byte> outgoing() { return std::exchange(outgoing_, {}); }

  // Maximum length of a message.
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
  int lanes_ = 0;  // listener only
  State state_ = State::kUnderWay;
  void (Handshake::*next_)(const Message&) = nullptr;
  std::size_t expected_ = 0;
  std::vector<std::byte> outgoing_;
  Nonce dialers_{};
  Nonce listeners_{};
};

}  // namespace lvx
