// SPDX-License-Identifier: Apache-2.0
// How processes become ranks of a group. MPI and NCCL live in shared libraries of their own, loaded when asked for, so
// that one build serves machines with and without them; TCP is a part of the core.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/device.h"
#include "group/strangers.h"
#include "group/transport.h"

namespace lvx {

// One rank of a group to be: reachable, not yet connected. The addresses travel by whatever way the caller has.
class Bootstrap {
 public:
  virtual ~Bootstrap() = default;
  Bootstrap() = default;
  Bootstrap(const Bootstrap&) = delete;
  Bootstrap& operator=(const Bootstrap&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::span<const std::byte> address() const = 0;
  // Once only. addresses are those of all ranks in rank order. Throws Error(LVX_INVALID_ARGUMENT) for one that is no
  // address of this group, Error(LVX_PEER_LOST) or Error(LVX_DEADLINE_EXCEEDED) naming a rank that cannot be reached.
  // Error(LVX_UNSUPPORTED) for a device whose memory the engine does not move.
  virtual std::unique_ptr<Transport> connect(const std::vector<std::span<const std::byte>>& addresses,
                                             const std::shared_ptr<Device>& device) = 0;
};

// How a rank is joined to others over TCP.
struct JoinOptions {
  std::string host =
      {};  // the name or address by which the others reach this machine; empty: one is looked for
  double deadline_seconds = 60;
  std::string secret = {};  // that the ranks prove to know; empty: none
  bool checksums = true;
  // Filled while the ranks connect, however that ends.
  std::shared_ptr<Strangers> strangers = std::make_shared<Strangers>();
};

// Over TCP. Named as its users know it: Gloo carried the data once.
std::unique_ptr<Bootstrap> begin_gloo(int rank, int size, const JoinOptions& options);
std::unique_ptr<Bootstrap> begin_nccl(int rank, int size, const JoinOptions& options);

// What NCCL calls a unique id: made by one rank, told to all.
using NcclId = std::array<std::byte, LVX_NCCL_ID_BYTES>;
NcclId new_nccl_id();
// All ranks that have the id do this at the same time. Throws as Bootstrap::connect does, but cannot name a rank that
// does not come.
std::unique_ptr<Transport> join_nccl(const NcclId& id, int rank, int size, const JoinOptions& options,
                                     const std::shared_ptr<Device>& device);

// The processes that an MPI launcher has started; rank and size are theirs.
std::unique_ptr<Transport> join_mpi(double deadline_seconds);

// Throws Error(LVX_MISSING_LIBRARY) naming what is missing and what would bring it.
void require_engine(lvx_group_kind kind);

// What the plugins export, by these names; they hand over what they return.
extern "C" {
using PluginBegin = Bootstrap*(int rank, int size, const JoinOptions& options);
using PluginJoinMpi = Transport*(double deadline_seconds);
using PluginRequireNccl = void();
using PluginNewNcclId = void(std::byte* id);
using PluginJoinNccl = Transport*(const std::byte* id, int rank, int size, const JoinOptions& options,
                                  const std::shared_ptr<Device>& device);
}
inline constexpr const char* kPluginJoinMpi = "lvx_plugin_join_mpi";
inline constexpr const char* kPluginRequireNccl = "lvx_plugin_require_nccl";
inline constexpr const char* kPluginNewNcclId = "lvx_plugin_new_nccl_id";
inline constexpr const char* kPluginBeginNccl = "lvx_plugin_begin_nccl";
inline constexpr const char* kPluginJoinNccl = "lvx_plugin_join_nccl";

}  // namespace lvx
