// SPDX-License-Identifier: Apache-2.0
// How processes become ranks of a group. The MPI and NCCL backends are plugins that are loaded on demand, so that one build
// runs on machines with and without them. TCP is part of the core.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/device.h"
#include "group/interruption.h"
#include "group/rejected_connections.h"
#include "group/transport.h"

namespace lvx {

// One rank of a group that is being formed: it listens, but is not connected yet. The caller exchanges the addresses.
class Bootstrap {
 public:
  virtual ~Bootstrap() = default;
  Bootstrap() = default;
  Bootstrap(const Bootstrap&) = delete;
  Bootstrap& operator=(const Bootstrap&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::span<const std::byte> address() const = 0;
  // To be called once. addresses are those of all ranks in rank order. Throws Error(LVX_INVALID_ARGUMENT) for an address that
  // is not one of this group, Error(LVX_PEER_LOST) or Error(LVX_TIMEOUT) that names a rank that cannot be reached,
  // Error(LVX_INTERRUPTED) if the options' interruption is set meanwhile, and Error(LVX_UNSUPPORTED) for a device whose memory
  // the backend cannot move.
  virtual std::unique_ptr<Transport> connect(const std::vector<std::span<const std::byte>>& addresses,
                                             const std::shared_ptr<Device>& device) = 0;
};

// How a rank connects to the others over TCP.
struct JoinOptions {
  std::string host = {};  // name or address by which other machines reach this one; empty: determined
  double timeout_seconds = 60;
  std::string secret = {};  // shared secret with which ranks authenticate each other; empty: none
  bool checksums = true;
  // Filled while the ranks connect, even if they fail to.
  std::shared_ptr<RejectedConnections> rejected = std::make_shared<RejectedConnections>();
  std::shared_ptr<SharedInterruption> interruption = std::make_shared<SharedInterruption>();
};

// A group over TCP. Named after Gloo, which moved the data in an earlier version.
std::unique_ptr<Bootstrap> begin_gloo(int rank, int size, const JoinOptions& options);
std::unique_ptr<Bootstrap> begin_nccl(int rank, int size, const JoinOptions& options);

// An NCCL unique id. One rank creates it and sends it to all others.
using NcclId = std::array<std::byte, LVX_NCCL_ID_BYTES>;
NcclId new_nccl_id();
// Collective over all ranks that have the id. Throws as Bootstrap::connect does, but cannot name a missing rank.
std::unique_ptr<Transport> join_nccl(const NcclId& id, int rank, int size, const JoinOptions& options,
                                     const std::shared_ptr<Device>& device);

// A group of the processes that an MPI launcher has started, with their ranks and size.
std::unique_ptr<Transport> join_mpi(double timeout_seconds);

// Throws Error(LVX_MISSING_LIBRARY) that names what is missing and how to install it.
void require_backend(lvx_group_kind kind);

// Functions that the plugins export, and their names. The caller owns the objects that they return.
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
