// SPDX-License-Identifier: Apache-2.0
#include "abi/error.h"

#include <cstring>
#include <new>
#include <string_view>

#include "abi/structs.h"

namespace lvx {
namespace {

thread_local lvx_error t_last_error{};

// Copies as much as fits and ends on a whole UTF-8 character.
template <std::size_t N>
void copy_text(char (&to)[N], std::string_view from) noexcept {
  std::size_t length = from.size();
  if (length >= N) {
    length = N - 1;
    while (length > 0 && (static_cast<unsigned char>(from[length]) & 0xC0) == 0x80) --length;
  }
  std::memcpy(to, from.data(), length);
  std::memset(to + length, 0, N - length);
}

void record(lvx_status status, int peer, std::string_view argument, const char* message) noexcept {
  t_last_error.struct_size = sizeof(lvx_error);
  t_last_error.status = status;
  t_last_error.rank = peer;
  copy_text(t_last_error.argument, argument);
  copy_text(t_last_error.message, message);
}

}  // namespace

lvx_status record_exception() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    record(error.status(), error.peer(), error.argument(), error.what());
  } catch (const std::bad_alloc&) {
    record(LVX_OUT_OF_MEMORY, -1, {}, "the host has no memory left for this call");
  } catch (const std::exception& error) {
    record(LVX_INTERNAL, -1, {}, error.what());
  } catch (...) {
    record(LVX_INTERNAL, -1, {}, "an exception of unknown type");
  }
  record_operation("", 0);
  return static_cast<lvx_status>(t_last_error.status);
}

void record_operation(const char* operation, std::uint64_t sequence) noexcept {
  copy_text(t_last_error.operation, operation);
  t_last_error.sequence = sequence;
}

const lvx_error& last_error() noexcept { return t_last_error; }

}  // namespace lvx

lvx_status lvx_last_error(lvx_error* error) {
  return lvx::guard([&] {
    lvx::check_result(error, "error");
    lvx_error value = lvx::last_error();
    if (value.status == LVX_OK) value.rank = -1;
    lvx::write_result(error, value);
  });
}
