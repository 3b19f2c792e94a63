// SPDX-License-Identifier: Apache-2.0
#include "group/nccl/nccl_api.h"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "base/error.h"

namespace lvx::nccl {
namespace {

constexpr const char* kVariable = "LVX_NCCL_LIBRARY";
constexpr const char* kFile = "libnccl.so.2";
constexpr const char* kRemedy =
    "; install NCCL 2.18 or later (Debian, Ubuntu: libnccl2 of NVIDIA's repository; pip: nvidia-nccl-cu13), "
    "or let "
    "LVX_NCCL_LIBRARY name the file";

// The environment is read once, before anything else of this library runs.
const char* variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr || *value == '\0' ? nullptr : value;
}

std::vector<std::string> candidates() {
  if (const char* file = variable(kVariable)) return {file};
  std::vector<std::string> files = {kFile};
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const char* toolkit = variable(name)) files.push_back(std::string(toolkit) + "/lib64/" + kFile);
  }
  files.push_back(std::string("/usr/local/cuda/lib64/") + kFile);
  return files;
}

void* open_library(std::string& name) {
  std::string reasons;
  for (const std::string& file : candidates()) {
    if (void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      name = file;
      return library;
    }
    const char* reason = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps it by thread
    if (reasons.empty()) reasons = reason == nullptr ? file : reason;
  }
  throw Error(LVX_MISSING_LIBRARY, "NCCL cannot be loaded: " + reasons + kRemedy);
}

struct Loader {
  void* library;
  std::string name;

  template <typename Function>
  void find(Function*& function, const char* symbol) const {
    function = reinterpret_cast<Function*>(dlsym(library, symbol));
    if (function == nullptr) {
      throw Error(LVX_MISSING_LIBRARY, name + " has no " + symbol + kRemedy);
    }
  }
};

Api load() {
  Loader loader{};
  loader.library = open_library(loader.name);
  Api api{};
  loader.find(api.get_version, "ncclGetVersion");
  int version = 0;
  if (api.get_version(&version) != kSuccess || version < kOldestVersion) {
    throw Error(LVX_MISSING_LIBRARY, loader.name + " is NCCL " + std::to_string(version / 10000) + "." +
                                         std::to_string(version / 100 % 100) + "." +
                                         std::to_string(version % 100) + kRemedy);
  }
  loader.find(api.get_unique_id, "ncclGetUniqueId");
  loader.find(api.comm_init_rank_config, "ncclCommInitRankConfig");
  loader.find(api.comm_finalize, "ncclCommFinalize");
  loader.find(api.comm_destroy, "ncclCommDestroy");
  loader.find(api.comm_abort, "ncclCommAbort");
  loader.find(api.comm_get_async_error, "ncclCommGetAsyncError");
  loader.find(api.get_error_string, "ncclGetErrorString");
  loader.find(api.get_last_error, "ncclGetLastError");
  loader.find(api.group_start, "ncclGroupStart");
  loader.find(api.group_end, "ncclGroupEnd");
  loader.find(api.send, "ncclSend");
  loader.find(api.receive, "ncclRecv");
  loader.find(api.all_gather, "ncclAllGather");
  api.moves_host_memory = dlsym(loader.library, "lvx_nccl_moves_host_memory") != nullptr;
  return api;
}

}  // namespace

std::string Api::text_of(Result result, Comm comm) const {
  std::string text = std::string("NCCL: ") + get_error_string(result);
  const char* more = get_last_error(comm);
  if (more != nullptr && *more != '\0') text += std::string(" (") + more + ")";
  return text;
}

const Api& loaded_api() {
  static const Api api = load();  // tried again if it throws
  return api;
}

}  // namespace lvx::nccl
