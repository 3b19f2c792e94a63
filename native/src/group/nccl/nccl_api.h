// SPDX-License-Identifier: Apache-2.0
// The part of NCCL's API (2.18 and later) that this library uses. It is redeclared here, so that the build needs neither
// NCCL's headers nor its library. Tests compare these declarations with the real header.
#pragma once

#include <array>
#include <climits>
#include <cstddef>
#include <string>

namespace lvx::nccl {

enum Result : int {
  kSuccess = 0,
  kUnhandledCudaError = 1,
  kSystemError = 2,
  kInternalError = 3,
  kInvalidArgument = 4,
  kInvalidUsage = 5,
  kRemoteError = 6,
  kInProgress = 7
};

enum DataType : int { kUint8 = 1 };

inline constexpr int kOldestVersion = 21800;
inline constexpr int kUndefined = INT_MIN;

// As of 2.18. Later versions append fields, and read only the fields within `size`.
struct Config {
  std::size_t size = sizeof(Config);
  unsigned int magic = 0xcafebeef;
  unsigned int version = kOldestVersion;
  int blocking = kUndefined;
  int cga_cluster_size = kUndefined;
  int min_ctas = kUndefined;
  int max_ctas = kUndefined;
  const char* net_name = nullptr;
  int split_share = kUndefined;
};

struct UniqueId {
  std::array<char, 128> internal{};
};

using Comm = struct ncclComm*;
using Stream = void*;  // a cudaStream_t

struct Api {
  Result (*get_version)(int* version);
  Result (*get_unique_id)(UniqueId* id);
  Result (*comm_init_rank_config)(Comm* comm, int size, UniqueId id, int rank, Config* config);
  Result (*comm_finalize)(Comm comm);
  Result (*comm_destroy)(Comm comm);
  Result (*comm_abort)(Comm comm);
  Result (*comm_get_async_error)(Comm comm, Result* error);
  const char* (*get_error_string)(Result result);
  const char* (*get_last_error)(Comm comm);
  Result (*group_start)();
  Result (*group_end)();
  Result (*send)(const void* data, std::size_t count, DataType type, int peer, Comm comm, Stream stream);
  Result (*receive)(void* data, std::size_t count, DataType type, int peer, Comm comm, Stream stream);
  Result (*all_gather)(const void* mine, void* all, std::size_t count, DataType type, Comm comm,
                       Stream stream);

  // NCCL itself moves only memory of CUDA devices. A substitute that moves host memory exports
  // lvx_nccl_moves_host_memory.
  bool moves_host_memory = false;

  // NCCL's message for a failed call. comm may be null.
  std::string text_of(Result result, Comm comm) const;
};

// Loads NCCL once: the file that LVX_NCCL_LIBRARY names, else libnccl.so.2 from the system or the CUDA toolkit.
// Throws Error(LVX_MISSING_LIBRARY) that names what is missing and how to install it.
const Api& loaded_api();

}  // namespace lvx::nccl
