// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"

namespace lvx {

inline void require_scratch(const char* operation, std::size_t needed, std::size_t given) {
  if (given >= needed) return;
  throw Error(LVX_INTERNAL, std::string(operation) + " needs " + std::to_string(needed) +
                                " bytes of scratch and was given " + std::to_string(given));
}

}  // namespace lvx
