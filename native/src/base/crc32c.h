// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli, RFC 3720), by the processor's CRC instruction if it has one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lvx {

// Incremental: crc is 0 at first, then the result of the last call.
std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes);
// The same by tables, for any processor.
std::uint32_t crc32c_by_tables(std::uint32_t crc, std::span<const std::byte> bytes);

}  // namespace lvx
