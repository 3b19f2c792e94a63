// SPDX-License-Identifier: Apache-2.0
// Engines that join processes live in shared libraries of their own, loaded when asked for, so that one build serves
// machines with and without Gloo and MPI.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "group/transport.h"

namespace lvx {

// One rank of a group to be: reachable, not yet connected. The addresses travel by whatever way the caller has.
class GlooBootstrap {
 public:
  virtual ~GlooBootstrap() = default;
  GlooBootstrap() = default;
  GlooBootstrap(const GlooBootstrap&) = delete;
  GlooBootstrap& operator=(const GlooBootstrap&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::span<const std::byte> address() const = 0;
  // Once only. addresses are those of all ranks in rank order. Throws Error(LVX_INVALID_ARGUMENT) for one that is no
  // address of this group, Error(LVX_PEER_LOST) or Error(LVX_DEADLINE_EXCEEDED) naming a rank that cannot be reached.
  virtual std::unique_ptr<Transport> connect(const std::vector<std::span<const std::byte>>& addresses) = 0;
};

// host: the name or address by which the others reach this machine, empty for what its own name resolves to.
std::unique_ptr<GlooBootstrap> begin_gloo(int rank, int size, const std::string& host,
                                          double deadline_seconds);

// The processes that an MPI launcher has started; rank and size are theirs.
std::unique_ptr<Transport> join_mpi(double deadline_seconds);

// Throws Error(LVX_MISSING_LIBRARY) naming what is missing and what would bring it.
void require_engine(lvx_group_kind kind);

// What the plugins export, by these names; they hand over what they return.
extern "C" {
using PluginVersion = const char*();
using PluginBeginGloo = GlooBootstrap*(int rank, int size, const char* host, double deadline_seconds);
using PluginJoinMpi = Transport*(double deadline_seconds);
}
inline constexpr const char* kPluginVersion = "lvx_plugin_version";
inline constexpr const char* kPluginBeginGloo = "lvx_plugin_begin_gloo";
inline constexpr const char* kPluginJoinMpi = "lvx_plugin_join_mpi";

}  // namespace lvx
