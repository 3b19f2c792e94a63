// SPDX-License-Identifier: Apache-2.0
// SHA-256, HMAC and CRC-32C against the test vectors of their specifications.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/sha256.h"
#include "support/seed.h"

namespace lvx::test {
namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> repeated(std::size_t count, int value) {
  return std::vector<std::byte>(count, static_cast<std::byte>(value));
}

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    text += "0123456789abcdef"[value >> 4];
    text += "0123456789abcdef"[value & 15];
  }
  return text;
}

std::string sha256(std::span<const std::byte> bytes, std::size_t at_a_time) {
  Sha256 hash;
  for (std::size_t i = 0; i < bytes.size(); i += at_a_time) {
    hash.update(bytes.subspan(i, std::min(at_a_time, bytes.size() - i)));
  }
  return hex(hash.finish());
}

// FIPS 180-4's examples.
TEST(Checks, Sha256GivesTheStandardsDigests) {
  for (const std::size_t at_a_time : {1u, 7u, 64u, 1000u}) {
    EXPECT_EQ(sha256(bytes_of(""), at_a_time),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(sha256(bytes_of("abc"), at_a_time),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(sha256(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), at_a_time),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  }
  EXPECT_EQ(sha256(repeated(1000000, 'a'), 4096),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// RFC 4231, test cases 1, 2, 3, 6 and 7.
TEST(Checks, HmacGivesTheVectorsOfRfc4231) {
  const auto hmac = [](const std::vector<std::byte>& key, const std::vector<std::byte>& data) {
    const std::span<const std::byte> all = data;
    const Sha256::Digest digest = hmac_sha256(key, {all.first(all.size() / 2), all.subspan(all.size() / 2)});
    return hex(digest);
  };
  EXPECT_EQ(hmac(repeated(20, 0x0b), bytes_of("Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac(bytes_of("Jefe"), bytes_of("what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac(repeated(20, 0xaa), repeated(50, 0xdd)),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(hmac(repeated(131, 0xaa), bytes_of("Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(hmac(repeated(131, 0xaa),
                 bytes_of("This is a test using a larger than block-size key and a larger than block-size "
                          "data. The key needs to be hashed before being used by the HMAC algorithm.")),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST(Checks, ComparesWhole) {
  const auto one = repeated(32, 7);
  EXPECT_TRUE(equal_in_constant_time(one, repeated(32, 7)));
  EXPECT_FALSE(equal_in_constant_time(one, repeated(31, 7)));
  for (std::size_t i = 0; i < one.size(); ++i) {
    auto other = one;
    other[i] ^= std::byte{1};
    EXPECT_FALSE(equal_in_constant_time(one, other)) << i;
  }
}

// RFC 3720, appendix B.4, and the check value of the catalogues.
TEST(Checks, Crc32cGivesTheStandardsSums) {
  std::vector<std::byte> rising(32), falling(32);
  for (std::size_t i = 0; i < 32; ++i) {
    rising[i] = static_cast<std::byte>(i);
    falling[i] = static_cast<std::byte>(31 - i);
  }
  for (const auto crc : {&crc32c, &crc32c_by_tables}) {
    EXPECT_EQ(crc(0, {}), 0u);
    EXPECT_EQ(crc(0, bytes_of("123456789")), 0xe3069283u);
    EXPECT_EQ(crc(0, repeated(32, 0)), 0x8a9136aau);
    EXPECT_EQ(crc(0, repeated(32, 0xff)), 0x62a8ab43u);
    EXPECT_EQ(crc(0, rising), 0x46dd794eu);
    EXPECT_EQ(crc(0, falling), 0x113fdb5cu);
  }
}

// Every length around the implementation's block sizes, at any alignment, in pieces.
TEST(Checks, Crc32cIsTheSameByInstructionByTablesAndInPieces) {
  std::mt19937_64 random(seeded(20));
  std::vector<std::byte> all(20000);
  for (std::byte& byte : all) byte = static_cast<std::byte>(random());
  for (int round = 0; round < 300; ++round) {
    const std::size_t begin = random() % 64;
    const std::size_t length =
        round < 100 ? static_cast<std::size_t>(round) : random() % (all.size() - begin);
    const auto part = std::span<const std::byte>(all).subspan(begin, length);
    const std::uint32_t whole = crc32c_by_tables(0, part);
    EXPECT_EQ(crc32c(0, part), whole) << begin << " + " << length;
    const std::size_t cut = length == 0 ? 0 : random() % length;
    EXPECT_EQ(crc32c(crc32c(0, part.first(cut)), part.subspan(cut)), whole);
  }
}

// Detects errors that TCP's checksum misses, since that is a sum of 16-bit words.
TEST(Checks, Crc32cNoticesSwappedWords) {
  std::mt19937_64 random(seeded(21));
  std::vector<std::byte> bytes(4096);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  const std::uint32_t right = crc32c(0, bytes);
  for (int round = 0; round < 1000; ++round) {
    auto damaged = bytes;
    const std::size_t one = 2 * (random() % 2048), other = 2 * (random() % 2048);
    std::swap_ranges(damaged.begin() + static_cast<std::ptrdiff_t>(one),
                     damaged.begin() + static_cast<std::ptrdiff_t>(one) + 2,
                     damaged.begin() + static_cast<std::ptrdiff_t>(other));
    EXPECT_EQ(crc32c(0, damaged) == right, damaged == bytes);
  }
}

}  // namespace
}  // namespace lvx::test
