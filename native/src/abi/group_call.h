// SPDX-License-Identifier: Apache-2.0
// What all collective calls have in common.
#pragma once

#include "abi/error.h"
#include "abi/objects.h"

namespace lvx {

// Runs work(GroupObject&). If it fails before this rank has announced the call, for instance because of a wrong
// argument, it declines the call, so that peers fail at once instead of at the timeout.
template <typename Work>
lvx_status group_call(lvx_group handle, Operation operation, Work&& work) noexcept {
  try {
    const auto object = find_handle<GroupObject>(handle);
    const InUse use(object->busy, "group");
    Group& group = object->group;
    const std::uint64_t before = group.sequence();
    try {
      work(*object);
      return LVX_OK;
    } catch (...) {
      const lvx_status status = record_exception();
      if (group.sequence() == before && !group.failed())
        group.decline(operation, last_error().message, last_error().argument);
      record_operation(name_of(operation), group.sequence());
      return status;
    }
  } catch (...) {
    return record_exception();
  }
}

}  // namespace lvx
