// SPDX-License-Identifier: Apache-2.0
// The one exception type of the core; the ABI turns it into a status and a message.
#pragma once

#include <lvx/lvx.h>

#include <stdexcept>
#include <string>

namespace lvx {

class Error : public std::runtime_error {
 public:
  Error(lvx_status status, const std::string& message, int peer = -1)
      : std::runtime_error(message), status_(status), peer_(peer) {}

  lvx_status status() const noexcept { return status_; }
  // The rank at fault, or -1.
  int peer() const noexcept { return peer_; }

 private:
  lvx_status status_;
  int peer_;
};

}  // namespace lvx
