# SPDX-License-Identifier: Apache-2.0
# Finds NCCL's header and library, which only tests use: lvxattn itself declares the functions that it calls, and loads NCCL
# on demand. Searches the system, NCCL_ROOT and the CUDA toolkit. NCCL_ROOT may be a folder into which pip has installed the
# wheel nvidia-nccl-cu13.

set(nccl_toolkits "$ENV{NCCL_ROOT}" "$ENV{CUDA_HOME}" "$ENV{CUDA_PATH}" /usr/local/cuda)
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${nccl_toolkits} PATH_SUFFIXES include nvidia/nccl/include)
find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 HINTS ${nccl_toolkits} PATH_SUFFIXES lib64 lib nvidia/nccl/lib)
# NCCL's header includes CUDA's.
find_path(NCCL_CUDA_INCLUDE_DIR cuda_runtime.h HINTS ${nccl_toolkits} PATH_SUFFIXES include nvidia/cu13/include)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL
  REQUIRED_VARS NCCL_LIBRARY NCCL_INCLUDE_DIR NCCL_CUDA_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "pip install --target DIR nvidia-nccl-cu13, then -DNCCL_ROOT=DIR")
mark_as_advanced(NCCL_INCLUDE_DIR NCCL_LIBRARY NCCL_CUDA_INCLUDE_DIR)
