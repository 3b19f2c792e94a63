// SPDX-License-Identifier: Apache-2.0
// Groups, and the worlds in which the ranks of local groups meet.
#include <algorithm>

#include "abi/device_id.h"
#include "abi/error.h"
#include "abi/group_call.h"
#include "abi/group_options.h"
#include "abi/structs.h"
#include "schedule/all_reduce.h"

using namespace lvx;

namespace {

constexpr std::uint64_t kMostGatheredBytes = 1 << 16;

CheckedTensor check_summed(const lvx_tensor* tensor, const DeviceId& device_id) {
  const int ndim = tensor == nullptr ? 1 : std::clamp(tensor->ndim, 1, kMaxDims);
  const CheckedTensor checked = check_tensor(tensor, "tensor", ndim, "(1 to 4)", device_id);
  require_dtype(checked, {DType::kFloat64, DType::kFloat32}, "of a sum over the ranks");
  std::int64_t compact = 1;
  for (auto dim = static_cast<std::size_t>(ndim); dim-- > 0; compact *= checked.shape[dim]) {
    if (!checked.empty() && checked.shape[dim] > 1 && checked.strides[dim] != compact) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "tensor",
                          "expected compact strides, got " + std::to_string(checked.strides[dim]) +
                              " instead of " + std::to_string(compact) + " along dimension " +
                              std::to_string(dim));
    }
  }
  return checked;
}

}  // namespace

lvx_status lvx_group_create_self(lvx_device device, const lvx_group_options* options, lvx_group* group) {
  return guard([&] {
    require_not_null(group, "group");
    const GroupOptions wanted = read_group_options(options);
    require_no_links(wanted);
    auto owner = find_handle<DeviceObject>(device);
    *group = add_handle(std::make_shared<GroupObject>(std::move(owner), make_self_transport(), wanted));
  });
}

lvx_status lvx_local_world_create(int32_t size, const lvx_group_options* options, lvx_world* world) {
  return guard([&] {
    require_not_null(world, "world");
    require_size(size);
    *world = add_handle(std::make_shared<WorldObject>(make_local_world(size, read_group_options(options))));
  });
}

lvx_status lvx_local_world_join(lvx_world world, int32_t rank, lvx_device device, lvx_group* group) {
  return guard([&] {
    require_not_null(group, "group");
    const auto meeting = find_handle<WorldObject>(world);
    require_rank(rank, meeting->world->size());
    auto owner = find_handle<DeviceObject>(device);
    const lvx_device_kind kind = owner->device->kind();
    if (kind != LVX_CPU) require_no_links(meeting->world->options());
    if (meeting->world->options().links.virtual_time && owner->device->threads() != 1) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "device",
                          "expected one thread, whose processor time is the rank's clock, got " +
                              std::to_string(owner->device->threads()));
    }
    const std::lock_guard lock(meeting->mutex);
    if (std::find(meeting->devices.begin(), meeting->devices.end(), device) != meeting->devices.end()) {
      throw ArgumentError(LVX_INVALID_STATE, "device",
                          "expected a device of this rank's own, got one of another rank");
    }
    if (meeting->all_are.value_or(kind) != kind) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "device",
                          "expected one of the same kind as those of the ranks that have joined, got " +
                              owner->device->name());
    }
    meeting->devices.reserve(meeting->devices.size() + 1);  // nothing may fail once the rank is taken
    auto transport = meeting->world->join(rank, owner->device);
    *group = add_handle(
        std::make_shared<GroupObject>(std::move(owner), std::move(transport), meeting->world->options()));
    meeting->devices.push_back(device);
    meeting->all_are = kind;
  });
}

lvx_status lvx_local_world_close(lvx_world world) {
  return guard([&] { remove_handle<WorldObject>(world)->world->close(); });
}

lvx_status lvx_group_close(lvx_group group) {
  return guard([&] {
    const auto object = find_handle<GroupObject>(group);
    InUse use(object->busy, "group");
    use.keep();
    remove_handle<GroupObject>(group);
    object->tenancy.end();
  });
}

lvx_status lvx_group_query(lvx_group group, lvx_group_info* info) {
  return guard([&] {
    check_result(info, "info");
    const auto object = find_handle<GroupObject>(group);
    const InUse use(object->busy, "group");
    const Group& open = object->group;
    lvx_group_info value{};
    value.kind = open.kind();
    value.rank = open.rank();
    value.size = open.size();
    value.failed = open.failed() ? 1 : 0;
    value.sequence = open.sequence();
    value.timeout_seconds = open.timeout_seconds();
    write_result(info, value);
  });
}

lvx_status lvx_group_set_timeout(lvx_group group, double seconds) {
  return guard([&] {
    require_timeout(seconds, "seconds");
    const auto object = find_handle<GroupObject>(group);
    const InUse use(object->busy, "group");
    object->group.set_timeout_seconds(seconds);
  });
}

lvx_status lvx_group_barrier(lvx_group group) {
  return group_call(group, Operation::kBarrier, [](GroupObject& object) { object.group.barrier(); });
}

lvx_status lvx_group_all_gather(lvx_group group, const void* mine, uint64_t bytes, void* all) {
  return group_call(group, Operation::kAllGather, [&](GroupObject& object) {
    require_not_null(mine, "mine");
    require_not_null(all, "all");
    if (bytes < 1 || bytes > kMostGatheredBytes) {
      throw ArgumentError(
          LVX_INVALID_ARGUMENT, "bytes",
          "expected 1 to " + std::to_string(kMostGatheredBytes) + ", got " + std::to_string(bytes));
    }
    const auto size = static_cast<std::size_t>(bytes);
    object.group.all_gather(
        {static_cast<const std::byte*>(mine), size},
        {static_cast<std::byte*>(all), size * static_cast<std::size_t>(object.group.size())});
  });
}

lvx_status lvx_group_all_reduce(lvx_group group, const lvx_tensor* tensor) {
  return group_call(group, Operation::kAllReduce, [&](GroupObject& object) {
    const CheckedTensor summed = check_summed(tensor, device_id_of(object.group.device()));
    const InUse use(object.tenancy.device().busy, "device");
    all_reduce(object.group, summed.data, summed.dtype, summed.elements());
  });
}

lvx_status lvx_group_decline(lvx_group group, int32_t operation, const char* reason) {
  return guard([&] {
    if (operation < LVX_OPERATION_BARRIER || operation > LVX_OPERATION_VISUAL_BACKWARD) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "operation",
                          "expected LVX_OPERATION_BARRIER (0) to LVX_OPERATION_VISUAL_BACKWARD (6), got " +
                              std::to_string(operation));
    }
    require_not_null(reason, "reason");
    const auto object = find_handle<GroupObject>(group);
    const InUse use(object->busy, "group");
    object->group.decline(static_cast<Operation>(operation), reason);
    if (object->group.failed()) {
      throw ArgumentError(LVX_INVALID_STATE, "group",
                          "an operation of it broke off; close it and make a new group");
    }
  });
}

lvx_status lvx_group_interrupt(lvx_group group, const char* reason) {
  return guard([&] {
    require_not_null(reason, "reason");
    find_handle<GroupObject>(group)->group.interrupt(reason);
  });
}

lvx_status lvx_group_records(lvx_group group, lvx_record* records, uint64_t capacity, uint64_t* count) {
  return guard([&] {
    require_not_null(count, "count");
    if (capacity > 0) require_not_null(records, "records");
    const auto object = find_handle<GroupObject>(group);
    const std::uint64_t room = std::min<std::uint64_t>(capacity, kMostRecorderEntries);
    *count = object->group.recorder().copy({records, static_cast<std::size_t>(room)});
  });
}
