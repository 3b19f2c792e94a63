// SPDX-License-Identifier: Apache-2.0
// Option and result structs that begin with their size, so that they can grow: a caller that was compiled with a
// later header works as long as it uses no field that this library does not know.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/error.h"

namespace lvx {

// Larger than any struct of this library: such a size is uninitialised memory.
inline constexpr std::uint64_t kLargestStruct = 4096;

template <typename Pointer>
void require_not_null(const Pointer* pointer, const char* name) {
  if (pointer == nullptr) throw ArgumentError(LVX_INVALID_ARGUMENT, name, "must not be null");
}

inline void require_zero(std::int32_t reserved, const char* name) {
  if (reserved != 0) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, name, "expected 0, got " + std::to_string(reserved));
  }
}

template <typename Struct>
void check_struct_size(const Struct* given, const char* name) {
  require_not_null(given, name);
  if (given->struct_size < sizeof(Struct) || given->struct_size > kLargestStruct) {
    throw ArgumentError(
        LVX_INVALID_ARGUMENT, std::string(name) + ".struct_size",
        "expected " + std::to_string(sizeof(Struct)) + ", got " + std::to_string(given->struct_size));
  }
}

template <typename Struct>
Struct read_options(const Struct* given, const char* name) {
  check_struct_size(given, name);
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  if (std::any_of(bytes + sizeof(Struct), bytes + given->struct_size,
                  [](unsigned char byte) { return byte != 0; })) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, name,
                        "options of a later version are set, this library knows " +
                            std::to_string(sizeof(Struct)) + " of " + std::to_string(given->struct_size) +
                            " bytes");
  }
  return *given;
}

template <typename Struct>
Struct read_optional_options(const Struct* given, const char* name) {
  return given == nullptr ? Struct{} : read_options(given, name);
}

template <typename Struct>
void check_result(const Struct* result, const char* name) {
  check_struct_size(result, name);
}

// Leaves the caller's struct_size as it is; fields of later versions become zero.
template <typename Struct>
void write_result(Struct* result, Struct value) noexcept {
  value.struct_size = result->struct_size;
  *result = value;
  std::memset(reinterpret_cast<unsigned char*>(result) + sizeof(Struct), 0,
              value.struct_size - sizeof(Struct));
}

}  // namespace lvx
