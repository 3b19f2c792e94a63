// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104): what ranks prove to one another with. Our own, as no library that
// every build would need is worth these lines; tests hold it to NIST's and RFC 4231's vectors.
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
  // Once only.
  Digest finish();

 private:
  void compress(const std::byte* block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, kBlockBytes> block_{};
  std::uint64_t bytes_ = 0;
};

// Of the parts, one after the other.
Sha256::Digest hmac_sha256(std::span<const std::byte> key,
                           std::initializer_list<std::span<const std::byte>> parts);

// Takes as long whatever differs.
bool equal_in_constant_time(std::span<const std::byte> one, std::span<const std::byte> other);

// From the system's generator, for keys. Throws Error(LVX_INTERNAL) where it has none.
void fill_randomly(std::span<std::byte> bytes);

}  // namespace lvx
