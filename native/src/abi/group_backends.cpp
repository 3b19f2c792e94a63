// SPDX-License-Identifier: Apache-2.0
// Groups whose ranks are processes.
#include <algorithm>

#include "abi/error.h"
#include "abi/group_options.h"
#include "abi/objects.h"
#include "abi/structs.h"

using namespace lvx;

namespace {

std::vector<std::span<const std::byte>> parts_of(const std::uint8_t* addresses, std::uint64_t bytes,
                                                 int size) {
  const std::uint64_t ranks = static_cast<std::uint64_t>(size);
  if (bytes == 0 || bytes % ranks != 0) {
    throw ArgumentError(LVX_INVALID_ARGUMENT, "bytes",
                        "expected the addresses of " + std::to_string(size) +
                            " ranks, all of one length, got " + std::to_string(bytes) + " bytes");
  }
  const auto length = static_cast<std::size_t>(bytes / ranks);
  std::vector<std::span<const std::byte>> parts;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    parts.push_back(std::as_bytes(std::span(addresses + rank * length, length)));
  }
  return parts;
}

thread_local lvx_rejected_connections t_last_rejected{};

// Keeps who came to the making of a group, however that ends.
class RejectedConnectionsRecord {
 public:
  explicit RejectedConnectionsRecord(const RejectedConnections& rejected) : rejected_(rejected) {}
  ~RejectedConnectionsRecord() {
    t_last_rejected.count = rejected_.count;
    for (std::size_t i = 0; i < rejected_.lines.size(); ++i) {
      char(&text)[sizeof(t_last_rejected.lines[0])] = t_last_rejected.lines[i];
      rejected_.lines[i].copy(text, sizeof(text) - 1);
    }
  }
  RejectedConnectionsRecord(const RejectedConnectionsRecord&) = delete;
  RejectedConnectionsRecord& operator=(const RejectedConnectionsRecord&) = delete;

 private:
  const RejectedConnections& rejected_;
};

using Begin = std::unique_ptr<Bootstrap>(int rank, int size, const JoinOptions& options);

lvx_status begin(Begin& begin_backend, std::int32_t rank, std::int32_t size, const char* host,
                 const lvx_group_options* options, lvx_bootstrap* bootstrap) {
  return guard([&] {
    require_not_null(bootstrap, "bootstrap");
    require_size(size);
    require_rank(rank, size);
    const GroupOptions wanted = read_group_options(options);
    require_no_links(wanted);
    const JoinOptions joining = read_join_options(options, host);
    *bootstrap =
        add_handle(std::make_shared<BootstrapObject>(begin_backend(rank, size, joining), wanted, joining));
  });
}

}  // namespace

lvx_status lvx_group_load_backend(int32_t kind) {
  return guard([&] {
    if (kind < LVX_GROUP_SELF || kind > LVX_GROUP_NCCL) {
      throw ArgumentError(LVX_INVALID_ARGUMENT, "kind",
                          "expected an lvx_group_kind, " + std::to_string(LVX_GROUP_SELF) + " to " +
                              std::to_string(LVX_GROUP_NCCL) + ", got " + std::to_string(kind));
    }
    require_backend(static_cast<lvx_group_kind>(kind));
  });
}

lvx_status lvx_gloo_begin(int32_t rank, int32_t size, const char* host, const lvx_group_options* options,
                          lvx_bootstrap* bootstrap) {
  return begin(begin_gloo, rank, size, host, options, bootstrap);
}

lvx_status lvx_nccl_begin(int32_t rank, int32_t size, const char* host, const lvx_group_options* options,
                          lvx_bootstrap* bootstrap) {
  return begin(begin_nccl, rank, size, host, options, bootstrap);
}

lvx_status lvx_bootstrap_address(lvx_bootstrap bootstrap, uint8_t* address, uint64_t capacity,
                                 uint64_t* length) {
  return guard([&] {
    require_not_null(length, "length");
    if (capacity > 0) require_not_null(address, "address");
    const auto object = find_handle<BootstrapObject>(bootstrap);
    const std::span<const std::byte> own = object->bootstrap->address();
    if (capacity >= own.size()) std::copy(own.begin(), own.end(), reinterpret_cast<std::byte*>(address));
    *length = own.size();
  });
}

lvx_status lvx_bootstrap_connect(lvx_bootstrap bootstrap, lvx_device device, const uint8_t* addresses,
                                 uint64_t bytes, lvx_group* group) {
  return guard([&] {
    t_last_rejected = {};
    require_not_null(addresses, "addresses");
    require_not_null(group, "group");
    const auto object = find_handle<BootstrapObject>(bootstrap);
    const InUse use(object->busy, "bootstrap");
    auto owner = find_handle<DeviceObject>(device);
    const auto parts = parts_of(addresses, bytes, object->bootstrap->size());
    const RejectedConnectionsRecord noted(*object->rejected);
    auto transport = object->bootstrap->connect(parts, owner->device);
    *group =
        add_handle(std::make_shared<GroupObject>(std::move(owner), std::move(transport), object->options));
  });
}

lvx_status lvx_bootstrap_interrupt(lvx_bootstrap bootstrap, const char* reason) {
  return guard([&] {
    require_not_null(reason, "reason");
    find_handle<BootstrapObject>(bootstrap)->interruption->set(reason);
  });
}

lvx_status lvx_bootstrap_close(lvx_bootstrap bootstrap) {
  return guard([&] {
    const auto object = find_handle<BootstrapObject>(bootstrap);
    InUse use(object->busy, "bootstrap");
    use.keep();
    remove_handle<BootstrapObject>(bootstrap);
  });
}

lvx_status lvx_last_rejected_connections(lvx_rejected_connections* rejected) {
  return guard([&] {
    check_result(rejected, "rejected");
    write_result(rejected, t_last_rejected);
  });
}

lvx_status lvx_group_create_mpi(lvx_device device, const lvx_group_options* options, lvx_group* group) {
  return guard([&] {
    require_not_null(group, "group");
    const GroupOptions wanted = read_group_options(options);
    require_no_links(wanted);
    auto owner = find_handle<DeviceObject>(device);
    require_host_memory(*owner->device);
    *group =
        add_handle(std::make_shared<GroupObject>(std::move(owner), join_mpi(wanted.timeout_seconds), wanted));
  });
}

lvx_status lvx_nccl_new_id(uint8_t* id) {
  return guard([&] {
    require_not_null(id, "id");
    const NcclId made = new_nccl_id();
    std::copy(made.begin(), made.end(), reinterpret_cast<std::byte*>(id));
  });
}

lvx_status lvx_group_create_nccl(lvx_device device, int32_t rank, int32_t size, const uint8_t* id,
                                 const char* host, const lvx_group_options* options, lvx_group* group) {
  return guard([&] {
    t_last_rejected = {};
    require_not_null(id, "id");
    require_not_null(group, "group");
    require_size(size);
    require_rank(rank, size);
    const GroupOptions wanted = read_group_options(options);
    require_no_links(wanted);
    auto owner = find_handle<DeviceObject>(device);
    NcclId given{};
    std::copy_n(reinterpret_cast<const std::byte*>(id), given.size(), given.begin());
    const JoinOptions joining = read_join_options(options, host);
    const RejectedConnectionsRecord noted(*joining.rejected);
    auto transport = join_nccl(given, rank, size, joining, owner->device);
    *group = add_handle(std::make_shared<GroupObject>(std::move(owner), std::move(transport), wanted));
  });
}
