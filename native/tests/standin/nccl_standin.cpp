// SPDX-License-Identifier: Apache-2.0
// liblvx_nccl_standin.so: the functions of NCCL that this library uses, on host memory of one machine. For tests only.
//
// Non-blocking, like NCCL 2.18: an operation is in progress until ncclCommGetAsyncError reports its end, and using the
// communicator before that is an error. A stream is null, a HostStream, or a stream of the stand-in for CUDA.
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "standin/communicator.h"

#define STANDIN_API extern "C" __attribute__((visibility("default")))

using lvx::nccl::Comm;
using lvx::nccl::Config;
using lvx::nccl::DataType;
using lvx::nccl::Result;
using lvx::nccl::Stream;
using lvx::nccl::UniqueId;
using namespace lvx::test;

namespace {

constexpr int kVersion = 23007;

// The transfers that this thread has added to its current group.
struct Group {
  int depth = 0;
  StandIn* comm = nullptr;
  Stream stream = nullptr;
  std::vector<Operation> operations;
};
thread_local Group group;

StandIn& of(Comm comm) { return *reinterpret_cast<StandIn*>(comm); }

bool strikes(const char* call, int rank) { return Fault::instance().strikes(call, rank); }
Result injected() { return static_cast<Result>(Fault::instance().result()); }

Result end_group() {
  Group ended = std::exchange(group, Group{});
  if (ended.comm == nullptr) return lvx::nccl::kSuccess;
  return ended.comm->exchange(ended.operations, ended.stream);
}

Result add(const Operation& operation, StandIn& comm, Stream stream) {
  const bool to_itself = operation.peer == comm.rank() && operation.own == nullptr;
  if (operation.peer < 0 || operation.peer >= comm.size() || to_itself) return lvx::nccl::kInvalidArgument;
  if (comm.state() != lvx::nccl::kSuccess) return lvx::nccl::kInvalidArgument;
  group.comm = &comm;
  group.stream = stream;
  group.operations.push_back(operation);
  return group.depth > 0 ? lvx::nccl::kSuccess : end_group();
}

}  // namespace

STANDIN_API void lvx_nccl_moves_host_memory() {}

STANDIN_API void lvx_nccl_standin_fault(const char* fault) { Fault::instance().set(fault); }

// The number of communicators that were neither destroyed nor aborted.
STANDIN_API int lvx_nccl_standin_live() { return StandIn::live(); }

// From now on, streams and memory are those of simulated GPUs.
STANDIN_API void lvx_nccl_standin_gpus(const GpuTransfers* gpus) { StandIn::use_gpus(gpus); }

STANDIN_API Result ncclGetVersion(int* version) {
  *version = strikes("version", 0) ? Fault::instance().result() : kVersion;
  return lvx::nccl::kSuccess;
}

STANDIN_API Result ncclGetUniqueId(UniqueId* id) {
  if (strikes("ncclGetUniqueId", 0)) return injected();
  std::random_device random;
  for (std::size_t i = 0; i < 32; ++i) id->internal[i] = static_cast<char>('a' + random() % 26);
  return lvx::nccl::kSuccess;
}

STANDIN_API Result ncclCommInitRankConfig(Comm* comm, int size, UniqueId id, int rank, Config* config) {
  if (config->magic != Config{}.magic || config->blocking != 0 || rank < 0 || rank >= size) {
    return lvx::nccl::kInvalidArgument;
  }
  if (strikes("ncclCommInitRankConfig", rank)) return injected();
  *comm = reinterpret_cast<Comm>(new StandIn("lvx-nccl-" + std::string(id.internal.data(), 32), rank, size));
  return lvx::nccl::kInProgress;
}

STANDIN_API Result ncclCommGetAsyncError(Comm comm, Result* error) {
  if (strikes("ncclCommGetAsyncError", of(comm).rank())) return injected();
  *error = of(comm).state();
  return lvx::nccl::kSuccess;
}

STANDIN_API Result ncclCommFinalize(Comm comm) { return of(comm).finalize(); }

STANDIN_API Result ncclCommDestroy(Comm comm) {
  delete &of(comm);
  return lvx::nccl::kSuccess;
}

STANDIN_API Result ncclCommAbort(Comm comm) {
  of(comm).abort();
  return ncclCommDestroy(comm);
}

STANDIN_API const char* ncclGetErrorString(Result result) {
  static constexpr std::array kTexts = {"no error",
                                        "unhandled cuda error",
                                        "unhandled system error",
                                        "internal error",
                                        "invalid argument",
                                        "invalid usage",
                                        "remote process exited or there was a network error",
                                        "NCCL operation in progress"};
  const auto index = static_cast<std::size_t>(result);
  return index < kTexts.size() ? kTexts[index] : "unknown result code";
}

STANDIN_API const char* ncclGetLastError(Comm) { return "said by the stand-in"; }

STANDIN_API Result ncclGroupStart() {
  ++group.depth;
  return lvx::nccl::kSuccess;
}

STANDIN_API Result ncclGroupEnd() {
  if (group.depth == 0) return lvx::nccl::kInvalidUsage;
  if (--group.depth > 0) return lvx::nccl::kSuccess;
  if (group.comm != nullptr && strikes("ncclGroupEnd", group.comm->rank())) {
    group = Group{};
    return injected();
  }
  return end_group();
}

STANDIN_API Result ncclSend(const void* data, std::size_t count, DataType, int peer, Comm comm,
                            Stream stream) {
  if (strikes("ncclSend", of(comm).rank())) return injected();
  auto* bytes = static_cast<std::byte*>(const_cast<void*>(data));
  return add({true, peer, bytes, count}, of(comm), stream);
}

STANDIN_API Result ncclRecv(void* data, std::size_t count, DataType, int peer, Comm comm, Stream stream) {
  if (strikes("ncclRecv", of(comm).rank())) return injected();
  return add({false, peer, static_cast<std::byte*>(data), count}, of(comm), stream);
}

STANDIN_API Result ncclAllGather(const void* mine, void* all, std::size_t count, DataType type, Comm comm,
                                 Stream stream) {
  if (strikes("ncclAllGather", of(comm).rank())) return injected();
  ncclGroupStart();
  Result result = lvx::nccl::kSuccess;
  for (int peer = 0; peer < of(comm).size() && result == lvx::nccl::kSuccess; ++peer) {
    std::byte* part = static_cast<std::byte*>(all) + static_cast<std::size_t>(peer) * count;
    if (peer == of(comm).rank()) {
      result = add({false, peer, part, count, static_cast<const std::byte*>(mine)}, of(comm), stream);
      continue;
    }
    result = ncclSend(mine, count, type, peer, comm, stream);
    if (result == lvx::nccl::kSuccess) result = ncclRecv(part, count, type, peer, comm, stream);
  }
  const Result end = ncclGroupEnd();
  return result == lvx::nccl::kSuccess ? end : result;
}
