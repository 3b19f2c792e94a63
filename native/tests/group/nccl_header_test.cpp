// SPDX-License-Identifier: Apache-2.0
// Compares our declarations of NCCL's interface with the real header, and with the symbols of the real library.
#if LVX_HAS_NCCL

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <lvx/lvx.h>
#include <nccl.h>

#include <cstddef>

#include "group/nccl/nccl_api.h"
#include "support/calls_alike.h"

namespace lvx::test {
namespace {

#define EXPECT_CALLS_ALIKE(member, function) \
  static_assert(CallsAlike<decltype(nccl::Api::member), decltype(&function)>::value, #function)

EXPECT_CALLS_ALIKE(get_version, ncclGetVersion);
EXPECT_CALLS_ALIKE(get_unique_id, ncclGetUniqueId);
EXPECT_CALLS_ALIKE(comm_init_rank_config, ncclCommInitRankConfig);
EXPECT_CALLS_ALIKE(comm_finalize, ncclCommFinalize);
EXPECT_CALLS_ALIKE(comm_destroy, ncclCommDestroy);
EXPECT_CALLS_ALIKE(comm_abort, ncclCommAbort);
EXPECT_CALLS_ALIKE(comm_get_async_error, ncclCommGetAsyncError);
EXPECT_CALLS_ALIKE(get_error_string, ncclGetErrorString);
EXPECT_CALLS_ALIKE(get_last_error, ncclGetLastError);
EXPECT_CALLS_ALIKE(group_start, ncclGroupStart);
EXPECT_CALLS_ALIKE(group_end, ncclGroupEnd);
EXPECT_CALLS_ALIKE(send, ncclSend);
EXPECT_CALLS_ALIKE(receive, ncclRecv);
EXPECT_CALLS_ALIKE(all_gather, ncclAllGather);

static_assert(sizeof(nccl::UniqueId) == sizeof(ncclUniqueId) && LVX_NCCL_ID_BYTES == NCCL_UNIQUE_ID_BYTES);
static_assert(nccl::kSuccess == static_cast<int>(ncclSuccess));
static_assert(nccl::kUnhandledCudaError == static_cast<int>(ncclUnhandledCudaError));
static_assert(nccl::kSystemError == static_cast<int>(ncclSystemError));
static_assert(nccl::kInternalError == static_cast<int>(ncclInternalError));
static_assert(nccl::kInvalidArgument == static_cast<int>(ncclInvalidArgument));
static_assert(nccl::kInvalidUsage == static_cast<int>(ncclInvalidUsage));
static_assert(nccl::kRemoteError == static_cast<int>(ncclRemoteError));
static_assert(nccl::kInProgress == static_cast<int>(ncclInProgress));
static_assert(nccl::kUint8 == static_cast<int>(ncclUint8));
static_assert(nccl::kUndefined == NCCL_CONFIG_UNDEF_INT);

static_assert(sizeof(nccl::Config) <= sizeof(ncclConfig_t));
static_assert(offsetof(nccl::Config, size) == offsetof(ncclConfig_t, size));
static_assert(offsetof(nccl::Config, magic) == offsetof(ncclConfig_t, magic));
static_assert(offsetof(nccl::Config, version) == offsetof(ncclConfig_t, version));
static_assert(offsetof(nccl::Config, blocking) == offsetof(ncclConfig_t, blocking));
static_assert(offsetof(nccl::Config, cga_cluster_size) == offsetof(ncclConfig_t, cgaClusterSize));
static_assert(offsetof(nccl::Config, min_ctas) == offsetof(ncclConfig_t, minCTAs));
static_assert(offsetof(nccl::Config, max_ctas) == offsetof(ncclConfig_t, maxCTAs));
static_assert(offsetof(nccl::Config, net_name) == offsetof(ncclConfig_t, netName));
static_assert(offsetof(nccl::Config, split_share) == offsetof(ncclConfig_t, splitShare));

TEST(NcclHeader, ConfigIsWhatTheInitializerMakes) {
  const ncclConfig_t theirs = NCCL_CONFIG_INITIALIZER;
  const nccl::Config ours;
  EXPECT_EQ(ours.magic, theirs.magic);
  EXPECT_EQ(ours.blocking, theirs.blocking);
  EXPECT_EQ(ours.net_name, theirs.netName);
  EXPECT_EQ(ours.split_share, theirs.splitShare);
}

// Without a driver, the library loads and reports its version.
TEST(NcclHeader, TheLibraryHasEverySymbol) {
  void* library = dlopen(LVX_NCCL_REAL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  for (const char* symbol :
       {"ncclGetVersion", "ncclGetUniqueId", "ncclCommInitRankConfig", "ncclCommFinalize", "ncclCommDestroy",
        "ncclCommAbort", "ncclCommGetAsyncError", "ncclGetErrorString", "ncclGetLastError", "ncclGroupStart",
        "ncclGroupEnd", "ncclSend", "ncclRecv", "ncclAllGather"}) {
    EXPECT_NE(dlsym(library, symbol), nullptr) << symbol;
  }
  EXPECT_EQ(dlsym(library, "lvx_nccl_moves_host_memory"), nullptr);
  int version = 0;
  auto* get_version = reinterpret_cast<decltype(&ncclGetVersion)>(dlsym(library, "ncclGetVersion"));
  ASSERT_EQ(get_version(&version), ncclSuccess);
  EXPECT_GE(version, nccl::kOldestVersion);
}

}  // namespace
}  // namespace lvx::test

#endif
