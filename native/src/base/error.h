// SPDX-License-Identifier: Apache-2.0
// The exceptions of the core; the ABI turns them into a status, a message and the argument that is wrong.
#pragma once

#include <lvx/lvx.h>

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lvx {

class Error : public std::runtime_error {
 public:
  Error(lvx_status status, const std::string& message, int peer = -1)
      : std::runtime_error(message), status_(status), peer_(peer) {}

  lvx_status status() const noexcept { return status_; }
  // The rank at fault, or -1.
  int peer() const noexcept { return peer_; }
  // The argument at fault, by its name in lvx.h, or empty.
  std::string_view argument() const noexcept { return argument_.data(); }
  Error with_argument(std::string_view name) const {
    Error copy = *this;
    name.copy(copy.argument_.data(), kLongestArgument);
    return copy;
  }

 protected:
  static constexpr std::size_t kLongestArgument = sizeof(lvx_error::argument) - 1;

  // No std::string: exceptions are copied, which must not throw.
  std::array<char, kLongestArgument + 1> argument_{};

 private:
  lvx_status status_;
  int peer_;
};

// Of one argument. The message begins with its name: "options.scale: expected ...". An element's index, as in
// "options.queries[3]", stands in the message alone.
class ArgumentError final : public Error {
 public:
  ArgumentError(lvx_status status, std::string_view argument, const std::string& message)
      : Error(status, std::string(argument) + ": " + message) {
    const std::string_view name = argument.substr(0, argument.find('['));
    name.copy(argument_.data(), kLongestArgument);
  }
};

}  // namespace lvx
