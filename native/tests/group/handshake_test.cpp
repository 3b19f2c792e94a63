// SPDX-License-Identifier: Apache-2.0
// The handshake between the two sides of a connection, byte by byte.
#include "group/tcp/handshake.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

namespace lvx::test {
namespace {

using Bytes = std::vector<std::byte>;
using State = Handshake::State;

GroupKey key_of(const std::string& secret, const std::string& address = "an address") {
  const auto bytes = std::as_bytes(std::span(address));
  return group_key(secret, {bytes, bytes});
}

struct Outcome {
  State dialer;
  State listener;
  std::vector<Bytes> said;  // alternating, the dialer's first
};

// Calls change for each message in transit; messages are numbered from 0.
Outcome meet(
    Handshake dialer, Handshake listener,
    const std::function<void(std::size_t, Bytes&)>& change = [](std::size_t, Bytes&) {}) {
  Outcome outcome{};
  Handshake* from = &dialer;
  Handshake* to = &listener;
  for (std::size_t number = 0;; ++number) {
    Bytes bytes = from->outgoing();
    if (bytes.empty()) break;
    outcome.said.push_back(bytes);
    change(number, bytes);
    to->take(bytes);
    std::swap(from, to);
  }
  outcome.dialer = dialer.state();
  outcome.listener = listener.state();
  return outcome;
}

Outcome meet(const GroupKey& dialers, const Ends& ends, const GroupKey& listeners, int rank, int size) {
  return meet(Handshake::dialer(dialers, ends), Handshake::listener(listeners, rank, size, 2));
}

TEST(TcpHandshake, RanksOfOneGroupProveThemselves) {
  for (const char* secret : {"", "open sesame"}) {
    for (const int lane : {0, 1}) {
      Handshake listener = Handshake::listener(key_of(secret), 1, 4, 2);
      const Outcome outcome = meet(Handshake::dialer(key_of(secret), {3, 1, 4, lane}), listener);
      EXPECT_EQ(outcome.dialer, State::kProved);
      EXPECT_EQ(outcome.listener, State::kProved);
      EXPECT_EQ(outcome.said.size(), 4u);
    }
  }
}

TEST(TcpHandshake, OtherSecretsAndOtherAddressesAreRefusedOnBothSides) {
  const Ends ends{3, 1, 4, 0};
  for (const GroupKey& other : {key_of("another"), key_of(""), key_of("secret", "elsewhere"), GroupKey{}}) {
    const Outcome outcome = meet(other, ends, key_of("secret"), 1, 4);
    EXPECT_EQ(outcome.dialer, State::kRefused);
    EXPECT_EQ(outcome.listener, State::kImpostor);
  }
}

TEST(TcpHandshake, RanksOfAnotherGroupAreForeign) {
  const GroupKey key = key_of("secret");
  for (const Ends& ends : {Ends{3, 0, 4, 0}, Ends{1, 1, 4, 0}, Ends{0, 1, 4, 0}, Ends{4, 1, 4, 0},
                           Ends{-1, 1, 4, 0}, Ends{3, 1, 5, 0}, Ends{3, 1, 4, 2}, Ends{3, 1, 4, -1}}) {
    EXPECT_EQ(meet(key, ends, key, 1, 4).listener, State::kForeign)
        << ends.from << " " << ends.to << " " << ends.size << " " << ends.lane;
  }
}

// At least one side detects every change in transit, so that never both sides succeed.
TEST(TcpHandshake, EveryBitOnTheWayCounts) {
  const GroupKey key = key_of("secret");
  const Ends ends{3, 1, 4, 0};
  const auto lengths = meet(key, ends, key, 1, 4).said;
  ASSERT_EQ(lengths.size(), 4u);
  for (std::size_t number = 0; number < lengths.size(); ++number) {
    for (std::size_t at = 0; at < lengths[number].size(); ++at) {
      for (int bit = 0; bit < 8; bit += 3) {
        const Outcome outcome = meet(Handshake::dialer(key, ends), Handshake::listener(key, 1, 4, 2),
                                     [&](std::size_t current, Bytes& bytes) {
                                       if (current == number) bytes[at] ^= std::byte{1} << bit;
                                     });
        EXPECT_NE(outcome.dialer, State::kProved) << number << ", " << at;
        // Only a change of the last message cannot be noticed by the listener.
        EXPECT_EQ(outcome.listener == State::kProved, number == 3) << number << ", " << at;
      }
    }
  }
}

TEST(TcpHandshake, WhatWasSaidOnceProvesNothingAgain) {
  const GroupKey key = key_of("secret");
  const auto said = meet(key, {3, 1, 4, 0}, key, 1, 4).said;
  Handshake listener = Handshake::listener(key, 1, 4, 2);
  listener.take(said[0]);
  listener.outgoing();
  listener.take(said[2]);
  EXPECT_EQ(listener.state(), State::kImpostor);
  Handshake dialer = Handshake::dialer(key, {3, 1, 4, 0});
  dialer.outgoing();
  dialer.take(said[1]);
  dialer.outgoing();
  dialer.take(said[3]);
  EXPECT_EQ(dialer.state(), State::kImpostor);
}

// An unauthenticated peer sends a rank's own messages back to it, and forwards one rank's challenge to another rank.
TEST(TcpHandshake, ReflectionProvesNothing) {
  const GroupKey key = key_of("secret");
  Handshake dialer = Handshake::dialer(key, {3, 1, 4, 0});
  dialer.take(dialer.outgoing());
  EXPECT_EQ(dialer.state(), State::kForeign);

  Handshake listener = Handshake::listener(key, 1, 4, 2);
  Handshake asked = Handshake::dialer(key, {3, 1, 4, 0});
  listener.take(asked.outgoing());
  asked.take(listener.outgoing());
  asked.take(asked.outgoing());  // reflects its own proof in place of the listener's
  EXPECT_EQ(asked.state(), State::kImpostor);

  // Rank 2's proof for rank 0 must not authenticate a connection as rank 2 to rank 1, or as rank 3 to rank 0.
  for (const Ends& ends : {Ends{2, 1, 4, 0}, Ends{3, 0, 4, 0}}) {
    Handshake true_rank = Handshake::dialer(key, {2, 0, 4, 0});
    Handshake deceived = Handshake::listener(key, ends.to, 4, 2);
    Bytes hello = true_rank.outgoing();
    std::memcpy(hello.data() + hello.size() - sizeof(Ends), &ends, sizeof(Ends));
    deceived.take(hello);
    true_rank.take(deceived.outgoing());
    deceived.take(true_rank.outgoing());
    EXPECT_EQ(deceived.state(), State::kImpostor);
  }
}

TEST(TcpHandshake, ProofsOfTwoConnectionsDiffer) {
  const GroupKey key = key_of("secret");
  const auto first = meet(key, {3, 1, 4, 0}, key, 1, 4).said;
  const auto second = meet(key, {3, 1, 4, 0}, key, 1, 4).said;
  for (std::size_t number = 0; number < 4; ++number) EXPECT_NE(first[number], second[number]);
}

}  // namespace
}  // namespace lvx::test
