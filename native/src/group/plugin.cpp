// SPDX-License-Identifier: Apache-2.0
#include "group/plugin.h"

#include <dlfcn.h>

#include <filesystem>

#include "base/error.h"

namespace lvx {
namespace {

struct Plugin {
  const char* file;
  const char* engine;
  const char* build;     // where it is built
  const char* packages;  // Debian's, to run it
};

constexpr Plugin kGloo = {"liblvx_gloo.so", "Gloo",
                          "it is built where Gloo's headers are (Debian: libgloo-dev)", "libgloo0"};
constexpr Plugin kMpi = {"liblvx_mpi.so", "MPI",
                         "it is built where MPI's headers are (Debian: libopenmpi-dev)",
                         "libopenmpi3 and openmpi-bin"};
constexpr Plugin kNccl = {"liblvx_nccl.so", "NCCL", "it is part of every build", "libnccl2"};

// Plugins lie beside the library that this code is in.
std::filesystem::path own_directory() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_directory), &info) == 0 || info.dli_fname == nullptr) {
    throw Error(LVX_INTERNAL, "the dynamic linker does not know where this library lies");
  }
  return std::filesystem::absolute(info.dli_fname).parent_path();
}

std::string last_link_error() {
  const char* message = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps it by thread
  return message == nullptr ? "no reason given" : message;
}

// Loaded libraries stay: their threads may run until the process ends.
void* load(const Plugin& plugin) {
  const std::filesystem::path file = own_directory() / plugin.file;
  if (!std::filesystem::exists(file)) {
    throw Error(LVX_MISSING_LIBRARY, std::string("this build has no ") + plugin.engine +
                                         " engine: there is no " + file.string() + "; " + plugin.build);
  }
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Error(LVX_MISSING_LIBRARY, std::string("the ") + plugin.engine + " engine cannot be loaded: " +
                                         last_link_error() + " (Debian: install " + plugin.packages + ")");
  }
  return library;
}

template <typename Function>
Function* find(void* library, const Plugin& plugin, const char* name) {
  auto* function = reinterpret_cast<Function*>(dlsym(library, name));
  if (function == nullptr) {
    throw Error(LVX_MISSING_LIBRARY,
                std::string(plugin.file) + " is not a plugin of this library: " + last_link_error());
  }
  return function;
}

// Library and plugin share C++ types, so they must come from one build.
void* load_matching(const Plugin& plugin) {
  void* library = load(plugin);
  const std::string version = find<PluginVersion>(library, plugin, kPluginVersion)();
  if (version != LVX_VERSION) {
    throw Error(LVX_MISSING_LIBRARY, std::string(plugin.file) + " is of version " + version +
                                         ", this library of " + LVX_VERSION + "; use files of one build");
  }
  return library;
}

}  // namespace

std::unique_ptr<Bootstrap> begin_gloo(int rank, int size, const std::string& host, double deadline_seconds) {
  auto* begin = find<PluginBegin>(load_matching(kGloo), kGloo, kPluginBeginGloo);
  return std::unique_ptr<Bootstrap>(begin(rank, size, host.c_str(), deadline_seconds));
}

std::unique_ptr<Bootstrap> begin_nccl(int rank, int size, const std::string& host, double deadline_seconds) {
  auto* begin = find<PluginBegin>(load_matching(kNccl), kNccl, kPluginBeginNccl);
  return std::unique_ptr<Bootstrap>(begin(rank, size, host.c_str(), deadline_seconds));
}

NcclId new_nccl_id() {
  NcclId id{};
  find<PluginNewNcclId>(load_matching(kNccl), kNccl, kPluginNewNcclId)(id.data());
  return id;
}

std::unique_ptr<Transport> join_nccl(const NcclId& id, int rank, int size, const std::string& host,
                                     double deadline_seconds, const std::shared_ptr<Device>& device) {
  auto* join = find<PluginJoinNccl>(load_matching(kNccl), kNccl, kPluginJoinNccl);
  return std::unique_ptr<Transport>(join(id.data(), rank, size, host.c_str(), deadline_seconds, device));
}

std::unique_ptr<Transport> join_mpi(double deadline_seconds) {
  auto* join = find<PluginJoinMpi>(load_matching(kMpi), kMpi, kPluginJoinMpi);
  return std::unique_ptr<Transport>(join(deadline_seconds));
}

void require_engine(lvx_group_kind kind) {
  switch (kind) {
    case LVX_GROUP_SELF:
    case LVX_GROUP_LOCAL:
      return;
    case LVX_GROUP_GLOO:
      load_matching(kGloo);
      return;
    case LVX_GROUP_MPI:
      load_matching(kMpi);
      return;
    case LVX_GROUP_NCCL:
      find<PluginRequireNccl>(load_matching(kNccl), kNccl, kPluginRequireNccl)();
      return;
  }
  throw Error(LVX_INVALID_ARGUMENT, "kind: " + std::to_string(kind) + " is no lvx_group_kind");
}

}  // namespace lvx
