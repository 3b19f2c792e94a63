// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli, RFC 3720), by the processor's own instruction where it has one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lvx {

// Of all bytes so far: crc is 0 at first, then what the last call returned.
std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes);
// The same by tables, for any processor.
std::uint32_t crc32c_by_tables(std::uint32_t crc, std::span<const std::byte> bytes);

}  // namespace lvx
