// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), with which ranks authenticate each other. Implemented here to avoid a
// dependency; tested with the vectors of NIST and RFC 4231.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace lvx {

class Sha256 {
 public:
  static constexpr std::size_t kBytes = 32;
  static constexpr std::size_t kBlockBytes = 64;
  using Digest = std::array<std::byte, kBytes>;

  void update(std::span<const std::byte> bytes);
  // To be called once.
  Digest finish();

 private:
  void compress(const std::byte* block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, kBlockBytes> block_{};
  std::uint64_t bytes_ = 0;
};

// The digest of the concatenated parts.
Sha256::Digest hmac_sha256(std::span<const std::byte> key,
                           std::initializer_list<std::span<const std::byte>> parts);

// Compares in constant time.
bool equal_in_constant_time(std::span<const std::byte> one, std::span<const std::byte> other);

// Cryptographically secure random bytes from the operating system. Throws Error(LVX_INTERNAL) if it provides none.
void fill_randomly(std::span<std::byte> bytes);

}  // namespace lvx
