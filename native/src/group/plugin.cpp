// SPDX-License-Identifier: Apache-2.0
#include "group/plugin.h"

#include "base/error.h"
#include "base/plugin.h"

namespace lvx {
namespace {

constexpr PluginFile kMpi = {"liblvx_mpi.so", "MPI",
                             "it is built where MPI's headers are (Debian: libopenmpi-dev)",
                             "Debian: install libopenmpi3 and openmpi-bin"};
constexpr PluginFile kNccl = {"liblvx_nccl.so", "NCCL", "it is part of every build",
                              "Debian: install libnccl2"};

template <typename Function>
Function* find(const PluginFile& plugin, const char* name) {
  return reinterpret_cast<Function*>(find_in_plugin(load_plugin(plugin), plugin, name));
}

}  // namespace

std::unique_ptr<Bootstrap> begin_nccl(int rank, int size, const JoinOptions& options) {
  auto* begin = find<PluginBegin>(kNccl, kPluginBeginNccl);
  return std::unique_ptr<Bootstrap>(begin(rank, size, options));
}

NcclId new_nccl_id() {
  NcclId id{};
  find<PluginNewNcclId>(kNccl, kPluginNewNcclId)(id.data());
  return id;
}

std::unique_ptr<Transport> join_nccl(const NcclId& id, int rank, int size, const JoinOptions& options,
                                     const std::shared_ptr<Device>& device) {
  auto* join = find<PluginJoinNccl>(kNccl, kPluginJoinNccl);
  return std::unique_ptr<Transport>(join(id.data(), rank, size, options, device));
}

std::unique_ptr<Transport> join_mpi(double timeout_seconds) {
  auto* join = find<PluginJoinMpi>(kMpi, kPluginJoinMpi);
  return std::unique_ptr<Transport>(join(timeout_seconds));
}

void require_backend(lvx_group_kind kind) {
  switch (kind) {
    case LVX_GROUP_SELF:
    case LVX_GROUP_LOCAL:
    case LVX_GROUP_GLOO:
      return;
    case LVX_GROUP_MPI:
      load_plugin(kMpi);
      return;
    case LVX_GROUP_NCCL:
      find<PluginRequireNccl>(kNccl, kPluginRequireNccl)();
      return;
  }
  throw ArgumentError(LVX_INVALID_ARGUMENT, "kind", std::to_string(kind) + " is no lvx_group_kind");
}

}  // namespace lvx
