// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli, RFC 3720). Uses the processor's CRC instruction if there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lvx {

// Incremental: crc is 0 in the first call, then the result of the previous call.
std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes);
// The same with tables, on any processor.
std::uint32_t crc32c_by_tables(std::uint32_t crc, std::span<const std::byte> bytes);

}  // namespace lvx
