// SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define LVX_CRC_TARGET __attribute__((target("sse4.2")))
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define LVX_CRC_TARGET __attribute__((target("+crc")))
#endif

namespace lvx {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // reflected

using Table = std::array<std::uint32_t, 256>;
// A table that advances a CRC over zero bytes, one row for each of the CRC's four bytes.
using Shift = std::array<Table, 4>;

constexpr std::uint32_t after_zero_byte(std::uint32_t crc) {
  for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ kPolynomial : crc >> 1;
  return crc;
}

constexpr Table kAfterByte = [] {
  Table table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) table[byte] = after_zero_byte(byte);
  return table;
}();

constexpr std::uint32_t shifted(const Shift& shift, std::uint32_t crc) {
  return shift[0][crc & 0xff] ^ shift[1][crc >> 8 & 0xff] ^ shift[2][crc >> 16 & 0xff] ^ shift[3][crc >> 24];
}

// The map is linear, so its values for single bits determine its values for all bytes.
constexpr Shift shift_of(const std::array<std::uint32_t, 32>& of_bit) {
  Shift shift{};
  for (std::size_t byte = 0; byte < 4; ++byte) {
    for (std::uint32_t value = 0; value < 256; ++value) {
      for (std::size_t bit = 0; bit < 8; ++bit) {
        if ((value >> bit & 1) != 0) shift[byte][value] ^= of_bit[8 * byte + bit];
      }
    }
  }
  return shift;
}

// Over kBytes zero bytes, a power of two.
template <std::size_t kBytes>
constexpr Shift shift_over() {
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t bit = 0; bit < 32; ++bit) of_bit[bit] = after_zero_byte(std::uint32_t{1} << bit);
  for (std::size_t bytes = 1; bytes < kBytes; bytes *= 2) {
    const auto once = of_bit;
    for (std::uint32_t& image : of_bit) {
      std::uint32_t twice = 0;
      for (std::size_t bit = 0; bit < 32; ++bit) {
        if ((image >> bit & 1) != 0) twice ^= once[bit];
      }
      image = twice;
    }
  }
  return shift_of(of_bit);
}

#if defined(LVX_CRC_TARGET)

// Three independent streams hide the latency of the CRC instruction; each is this long.
constexpr std::size_t kStream = 2048;
constexpr Shift kOverStream = shift_over<kStream>();

std::uint64_t word_at(const std::byte* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

LVX_CRC_TARGET inline std::uint32_t add_word(std::uint32_t crc, std::uint64_t word) {
#if defined(__x86_64__)
  return static_cast<std::uint32_t>(_mm_crc32_u64(crc, word));
#else
  return __crc32cd(crc, word);
#endif
}

LVX_CRC_TARGET inline std::uint32_t add_byte(std::uint32_t crc, std::byte byte) {
#if defined(__x86_64__)
  return _mm_crc32_u8(crc, std::to_integer<std::uint8_t>(byte));
#else
  return __crc32cb(crc, std::to_integer<std::uint8_t>(byte));
#endif
}

LVX_CRC_TARGET std::uint32_t by_instruction(std::uint32_t crc, std::span<const std::byte> bytes) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t first = ~crc;
  for (; left >= 3 * kStream; left -= 3 * kStream, at += 3 * kStream) {
    std::uint32_t second = 0, third = 0;
    for (std::size_t i = 0; i < kStream; i += sizeof(std::uint64_t)) {
      first = add_word(first, word_at(at + i));
      second = add_word(second, word_at(at + kStream + i));
      third = add_word(third, word_at(at + 2 * kStream + i));
    }
    first = shifted(kOverStream, shifted(kOverStream, first) ^ second) ^ third;
  }
  for (; left >= sizeof(std::uint64_t); left -= sizeof(std::uint64_t), at += sizeof(std::uint64_t)) {
    first = add_word(first, word_at(at));
  }
  for (; left > 0; --left, ++at) first = add_byte(first, *at);
  return ~first;
}

bool has_instruction() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sse4.2");
#else
  constexpr unsigned long kCrc = 1 << 7;  // HWCAP_CRC32
  return (getauxval(AT_HWCAP) & kCrc) != 0;
#endif
}

#endif

// Processes four bytes at a time: each byte's table entry is already advanced over the bytes that follow it.
constexpr Shift kOverWord = shift_over<4>();

}  // namespace

std::uint32_t crc32c_by_tables(std::uint32_t crc, std::span<const std::byte> bytes) {
  crc = ~crc;
  while (bytes.size() >= 4) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 4; ++i) word |= std::to_integer<std::uint32_t>(bytes[i]) << 8 * i;
    crc = shifted(kOverWord, crc ^ word);
    bytes = bytes.subspan(4);
  }
  for (const std::byte byte : bytes) {
    crc = crc >> 8 ^ kAfterByte[(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xff];
  }
  return ~crc;
}

std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes) {
#if defined(LVX_CRC_TARGET)
  static const bool by_processor = has_instruction();
  if (by_processor) return by_instruction(crc, bytes);
#endif
  return crc32c_by_tables(crc, bytes);
}

}  // namespace lvx
