// SPDX-License-Identifier: Apache-2.0
#include "group/tcp/handshake.h"

#include <algorithm>
#include <cstring>

namespace lvx {
namespace {

using Tag = std::array<char, 8>;

constexpr Tag kHello = {'l', 'v', 'x', '-', 't', 'c', 'p', '1'};
constexpr Tag kChallenge = {'l', 'v', 'x', '-', 'a', 's', 'k', '1'};
constexpr Tag kProof = {'l', 'v', 'x', '-', 'p', 'r', 'v', '1'};
constexpr Tag kRefusal = {'l', 'v', 'x', '-', 'd', 'n', 'y', '1'};

constexpr const char* kDialer = "lvxattn dialer 1";
constexpr const char* kListener = "lvxattn listener 1";

// A label with its terminating zero, so that no label is a prefix of another.
std::span<const std::byte> bytes_of(const char* label) {
  return std::as_bytes(std::span(label, std::strlen(label) + 1));
}

template <typename Plain>
std::span<const std::byte> bytes_of_plain(const Plain& plain) {
  return std::as_bytes(std::span(&plain, 1));
}

}  // namespace

// Hello uses the whole struct, other messages only its beginning.
struct Handshake::Message {
  Tag tag{};
  std::array<std::byte, 32> body{};
  Ends ends;
};

namespace {

constexpr std::size_t kShortBytes = sizeof(Tag) + 32;
constexpr std::size_t kHelloBytes = kShortBytes + sizeof(Ends);

}  // namespace

GroupKey group_key(const std::string& secret, const std::vector<std::span<const std::byte>>& addresses) {
  Sha256 all;
  for (const auto& address : addresses) {
    const std::uint64_t length = address.size();
    all.update(bytes_of_plain(length));
    all.update(address);
  }
  const Sha256::Digest digest = all.finish();
  return hmac_sha256(std::as_bytes(std::span(secret)), {bytes_of("lvxattn group 1"), digest});
}

Handshake Handshake::dialer(const GroupKey& key, const Ends& ends) {
  Handshake made(key, ends, 0);
  fill_randomly(made.dialers_);
  made.say({kHello, made.dialers_, ends}, kHelloBytes);
  made.next_ = &Handshake::take_challenge;
  made.expected_ = kShortBytes;
  return made;
}

Handshake Handshake::listener(const GroupKey& key, int rank, int size, int lanes) {
  Handshake made(key, {-1, rank, size, 0}, lanes);
  fill_randomly(made.listeners_);
  made.next_ = &Handshake::take_hello;
  made.expected_ = kHelloBytes;
  return made;
}

Sha256::Digest Handshake::proof_of(const char* side) const {
  return hmac_sha256(key_, {bytes_of(side), bytes_of_plain(ends_), dialers_, listeners_});
}

void Handshake::say(const Message& message, std::size_t bytes) {
  const auto all = bytes_of_plain(message).first(bytes);
  outgoing_.insert(outgoing_.end(), all.begin(), all.end());
}

void Handshake::end(State state) {
  state_ = state;
  expected_ = 0;
}

void Handshake::take(std::span<const std::byte> bytes) {
  if (expected_ == 0) return;
  Message message;
  std::memcpy(&message, bytes.data(), std::min(bytes.size(), sizeof(message)));
  if (bytes.size() != expected_) return end(State::kForeign);
  (this->*next_)(message);
}

void Handshake::take_hello(const Message& message) {
  const Ends& said = message.ends;
  if (message.tag != kHello || said.to != ends_.to || said.size != ends_.size || said.from <= ends_.to ||
      said.from >= ends_.size || said.lane < 0 || said.lane >= lanes_) {
    return end(State::kForeign);
  }
  ends_ = said;
  dialers_ = message.body;
  say({kChallenge, listeners_, {}}, kShortBytes);
  next_ = &Handshake::take_proof;
  expected_ = kShortBytes;
}

void Handshake::take_challenge(const Message& message) {
  if (message.tag != kChallenge) return end(State::kForeign);
  listeners_ = message.body;
  say({kProof, proof_of(kDialer), {}}, kShortBytes);
  next_ = &Handshake::take_answer;
}

void Handshake::take_proof(const Message& message) {
  if (message.tag != kProof) return end(State::kForeign);
  if (!equal_in_constant_time(message.body, proof_of(kDialer))) {
    say({kRefusal, {}, {}}, kShortBytes);
    return end(State::kImpostor);
  }
  say({kProof, proof_of(kListener), {}}, kShortBytes);
  end(State::kProved);
}

void Handshake::take_answer(const Message& message) {
  if (message.tag == kRefusal) return end(State::kRefused);
  if (message.tag != kProof) return end(State::kForeign);
  end(equal_in_constant_time(message.body, proof_of(kListener)) ? State::kProved : State::kImpostor);
}

}  // namespace lvx
