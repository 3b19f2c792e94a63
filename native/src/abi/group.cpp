// SPDX-License-Identifier: Apache-2.0
// Groups, and the worlds in which the ranks of local groups meet.
#include <algorithm>
#include <cmath>

#include "abi/error.h"
#include "abi/group_call.h"
#include "abi/structs.h"

using namespace lvx;

namespace {

// Thirty years: longer than anyone waits, and short enough to be added to a clock.
constexpr double kLongestDeadline = 1e9;
constexpr std::int32_t kMostRecorderEntries = 1 << 20;
constexpr std::int32_t kMostRanks = 4096;
constexpr std::uint64_t kMostGatheredBytes = 1 << 16;

void require_deadline(double seconds, const char* name) {
  if (!(seconds > 0 && seconds <= kLongestDeadline)) {
    throw Error(
        LVX_INVALID_ARGUMENT,
        std::string(name) + ": expected more than 0 and at most 1e9 seconds, got " + std::to_string(seconds));
  }
}

void require_link_number(double value, const char* name) {
  if (!(value >= 0 && value <= 1e18)) {
    throw Error(LVX_INVALID_ARGUMENT,
                std::string(name) + ": expected 0 (not emulated) to 1e18, got " + std::to_string(value));
  }
}

void require_flag(std::int32_t value, const char* name) {
  if (value != 0 && value != 1) {
    throw Error(LVX_INVALID_ARGUMENT, std::string(name) + ": expected 0 or 1, got " + std::to_string(value));
  }
}

void require_no_links(const GroupOptions& options) {
  if (options.links.intra.emulated() || options.links.inter.emulated() || options.links.virtual_time) {
    throw Error(
        LVX_INVALID_ARGUMENT,
        "options: expected no emulated links (bandwidths of 0, real time) in a group that is not local");
  }
}

GroupOptions read_group_options(const lvx_group_options* options) {
  const lvx_group_options read = read_optional_options(options, "options");
  GroupOptions wanted;
  if (read.deadline_seconds != 0) {
    require_deadline(read.deadline_seconds, "options.deadline_seconds");
    wanted.deadline_seconds = read.deadline_seconds;
  }
  if (read.ranks_per_node < 0) {
    throw Error(LVX_INVALID_ARGUMENT, "options.ranks_per_node: expected 0 (one node) or more, got " +
                                          std::to_string(read.ranks_per_node));
  }
  wanted.ranks_per_node = read.ranks_per_node;
  if (read.recorder_entries < 0 || read.recorder_entries > kMostRecorderEntries) {
    throw Error(LVX_INVALID_ARGUMENT, "options.recorder_entries: expected 0 (the default) to " +
                                          std::to_string(kMostRecorderEntries) + ", got " +
                                          std::to_string(read.recorder_entries));
  }
  if (read.recorder_entries > 0) wanted.recorder_entries = read.recorder_entries;
  require_link_number(read.intra_bytes_per_second, "options.intra_bytes_per_second");
  require_link_number(read.intra_latency_seconds, "options.intra_latency_seconds");
  require_link_number(read.inter_bytes_per_second, "options.inter_bytes_per_second");
  require_link_number(read.inter_latency_seconds, "options.inter_latency_seconds");
  require_flag(read.shared_inter, "options.shared_inter");
  require_flag(read.virtual_time, "options.virtual_time");
  wanted.links = {{read.intra_bytes_per_second, read.intra_latency_seconds},
                  {read.inter_bytes_per_second, read.inter_latency_seconds},
                  read.shared_inter == 1,
                  read.virtual_time == 1};
  return wanted;
}

void require_rank(std::int32_t rank, int size) {
  if (rank < 0 || rank >= size) {
    throw Error(LVX_INVALID_ARGUMENT,
                "rank: expected 0 to " + std::to_string(size - 1) + ", got " + std::to_string(rank));
  }
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
    if (size < 1 || size > kMostRanks) {
      throw Error(LVX_INVALID_ARGUMENT, "size: expected 1 to " + std::to_string(kMostRanks) + " ranks, got " +
                                            std::to_string(size));
    }
    *world = add_handle(std::make_shared<WorldObject>(make_local_world(size, read_group_options(options))));
  });
}

lvx_status lvx_local_world_join(lvx_world world, int32_t rank, lvx_device device, lvx_group* group) {
  return guard([&] {
    require_not_null(group, "group");
    const auto place = find_handle<WorldObject>(world);
    require_rank(rank, place->world->size());
    auto owner = find_handle<DeviceObject>(device);
    if (place->world->options().links.virtual_time && owner->device->threads() != 1) {
      throw Error(LVX_INVALID_ARGUMENT,
                  "device: expected one thread, whose processor time is the rank's clock, got " +
                      std::to_string(owner->device->threads()));
    }
    const std::lock_guard lock(place->mutex);
    if (std::find(place->devices.begin(), place->devices.end(), device) != place->devices.end()) {
      throw Error(LVX_INVALID_STATE, "device: expected a device of this rank's own, got one of another rank");
    }
    place->devices.reserve(place->devices.size() + 1);  // nothing may fail once the rank is taken
    *group = add_handle(
        std::make_shared<GroupObject>(std::move(owner), place->world->join(rank), place->world->options()));
    place->devices.push_back(device);
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
    value.deadline_seconds = open.deadline_seconds();
    write_result(info, value);
  });
}

lvx_status lvx_group_set_deadline(lvx_group group, double seconds) {
  return guard([&] {
    require_deadline(seconds, "seconds");
    const auto object = find_handle<GroupObject>(group);
    const InUse use(object->busy, "group");
    object->group.set_deadline_seconds(seconds);
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
      throw Error(LVX_INVALID_ARGUMENT, "bytes: expected 1 to " + std::to_string(kMostGatheredBytes) +
                                            ", got " + std::to_string(bytes));
    }
    const auto size = static_cast<std::size_t>(bytes);
    object.group.all_gather(
        {static_cast<const std::byte*>(mine), size},
        {static_cast<std::byte*>(all), size * static_cast<std::size_t>(object.group.size())});
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
