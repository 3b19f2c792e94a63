// SPDX-License-Identifier: Apache-2.0
// How processes become ranks of a group. MPI and NCCL are plugins, loaded on demand, so that one build serves
// machines with and without them; TCP is part of the core.
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

// One rank of a group that is forming: it listens, but is not connected yet. The caller exchanges the addresses.
class Bootstrap {
 public:
  virtual ~Bootstrap() = default;
  Bootstrap() = default;
  Bootstrap(const Bootstrap&) = delete;
  Bootstrap& operator=(const Bootstrap&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::span<const std::byte> address() const = 0;
  // Once only. addresses are those of all ranks in rank order. Throws Error(LVX_INVALID_ARGUMENT) for one that is
  // not an address of this group, Error(LVX_PEER_LOST) or Error(LVX_TIMEOUT) naming a rank that cannot be reached.
  // Error(LVX_UNSUPPORTED) for a device whose memory the backend does not move.
  virtual std::unique_ptr<Transport> connect(const std::vector<std::span<const std::byte>>& addresses,
                                             const std::shared_ptr<Device>& device) = 0;
};

// How a rank is joined to others over TCP.
struct JoinOptions {
  std::string host =
      {};  // the name or address by which the others reach this machine; empty: one is looked for
  double timeout_seconds = 60;
  std::string secret = {};  // shared secret by which ranks authenticate each other; empty: none
  bool checksums = true;
  // Filled while the ranks connect, however that ends.
  std::shared_ptr<Strangers> strangers = std::make_shared<Strangers>();
};

// Over TCP. Named after Gloo, which once moved the data.
std::unique_ptr<Bootstrap> begin_gloo(int rank, int size, const JoinOptions& options);
std::unique_ptr<Bootstrap> begin_nccl(int rank, int size, const JoinOptions& options);

// An NCCL unique id: made by one rank, sent to all.
using NcclId = std::array<std::byte, LVX_NCCL_ID_BYTES>;
NcclId new_nccl_id();
// All ranks that have the id do this at the same time. Throws as Bootstrap::connect does, but cannot name a missing
// rank.
std::unique_ptr<Transport> join_nccl(const NcclId& id, int rank, int size, const JoinOptions& options,
                                     const std::shared_ptr<Device>& device);

// The processes that an MPI launcher has started; rank and size are theirs.
std::unique_ptr<Transport> join_mpi(double timeout_seconds);

// Throws Error(LVX_MISSING_LIBRARY) naming what is missing and how to get it.
void require_backend(lvx_group_kind kind);

// What the plugins export, by these names; they hand over what they return.
extern "C" {
using PluginBegin = Bootstrap*(int rank, int size, const JoinOptions& options);
using PluginJoinMpi = Transport*(double timeout_seconds);
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
