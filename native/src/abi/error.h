// SPDX-License-Identifier: Apache-2.0
// Turns exceptions into status codes: no exception leaves the library.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace lvx {

// Keeps the exception now being handled as this thread's last error, without allocating; returns its status.
lvx_status record_exception() noexcept;

// Adds to the last error which group operation it belongs to.
void record_operation(const char* operation, std::uint64_t sequence) noexcept;

// This thread's last error.
const lvx_error& last_error() noexcept;

template <typename Work>
lvx_status guard(Work&& work) noexcept {
  try {
    work();
    return LVX_OK;
  } catch (...) {
    return record_exception();
  }
}

}  // namespace lvx
