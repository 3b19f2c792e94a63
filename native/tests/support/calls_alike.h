// SPDX-License-Identifier: Apache-2.0
// Whether two declarations of a function are compatible for calls.
#pragma once

#include <type_traits>

namespace lvx::test {

// Enumerations are passed as integers of their size. All pointers are passed alike.
template <typename Ours, typename Theirs>
constexpr bool passes_alike() {
  if constexpr (std::is_void_v<Ours> || std::is_void_v<Theirs>) {
    return std::is_same_v<Ours, Theirs>;
  } else {
    return sizeof(Ours) == sizeof(Theirs) && std::is_pointer_v<Ours> == std::is_pointer_v<Theirs> &&
           std::is_class_v<Ours> == std::is_class_v<Theirs>;
  }
}

template <typename Ours, typename Theirs>
struct CallsAlike : std::false_type {};
template <typename Result, typename... Arguments, typename TheirResult, typename... TheirArguments>
requires(
    sizeof...(Arguments) ==
    sizeof...(TheirArguments)) struct CallsAlike<Result (*)(Arguments...), TheirResult (*)(TheirArguments...)>
    : std::bool_constant<passes_alike<Result, TheirResult>() &&
                         (passes_alike<Arguments, TheirArguments>() && ...)> {
};

}  // namespace lvx::test
