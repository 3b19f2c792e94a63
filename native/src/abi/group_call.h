// SPDX-License-Identifier: Apache-2.0
// The frame around every call that all ranks of a group make together.
#pragma once

#include "abi/error.h"
#include "abi/objects.h"

namespace lvx {

// Runs work(GroupObject&). When it fails before this rank has announced the call (a wrong argument, say), the
// peers that make the call are told at once instead of waiting for the deadline.
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
      if (group.sequence() == before && !group.failed()) group.decline(operation, last_error().message);
      record_operation(name_of(operation), group.sequence());
      return status;
    }
  } catch (...) {
    return record_exception();
  }
}

}  // namespace lvx
