// SPDX-License-Identifier: Apache-2.0
#include "group/nccl/nccl_api.h"

#include "base/shared_library.h"

namespace lvx::nccl {
namespace {

constexpr SharedLibraryFile kNccl = {
    "NCCL", "libnccl.so.2", "LVX_NCCL_LIBRARY",
    "; install NCCL 2.18 or later (Debian, Ubuntu: libnccl2 of NVIDIA's repository; pip: nvidia-nccl-cu13), "
    "or let LVX_NCCL_LIBRARY name the file"};

Api load() {
  const SharedLibrary library(kNccl);
  Api api{};
  library.find(api.get_version, "ncclGetVersion");
  int version = 0;
  if (api.get_version(&version) != kSuccess || version < kOldestVersion) {
    library.reject("is NCCL " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) +
                   "." + std::to_string(version % 100));
  }
  library.find(api.get_unique_id, "ncclGetUniqueId");
  library.find(api.comm_init_rank_config, "ncclCommInitRankConfig");
  library.find(api.comm_finalize, "ncclCommFinalize");
  library.find(api.comm_destroy, "ncclCommDestroy");
  library.find(api.comm_abort, "ncclCommAbort");
  library.find(api.comm_get_async_error, "ncclCommGetAsyncError");
  library.find(api.get_error_string, "ncclGetErrorString");
  library.find(api.get_last_error, "ncclGetLastError");
  library.find(api.group_start, "ncclGroupStart");
  library.find(api.group_end, "ncclGroupEnd");
  library.find(api.send, "ncclSend");
  library.find(api.receive, "ncclRecv");
  library.find(api.all_gather, "ncclAllGather");
  api.moves_host_memory = library.has("lvx_nccl_moves_host_memory");
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
  static const Api api = load();  // if it throws, the next call retries
  return api;
}

}  // namespace lvx::nccl
