# SPDX-License-Identifier: Apache-2.0
# Finds cuDNN's header and library, which only tests use: lvxattn itself declares the functions that it calls, and loads
# cuDNN on demand. Searches the system, CUDNN_ROOT and the CUDA toolkit. CUDNN_ROOT may be a folder into which pip has
# installed the wheel nvidia-cudnn-cu13 and its dependencies.

set(cudnn_places "$ENV{CUDNN_ROOT}" "$ENV{CUDA_HOME}" "$ENV{CUDA_PATH}" /usr/local/cuda)
find_path(CUDNN_INCLUDE_DIR cudnn_graph.h HINTS ${cudnn_places} PATH_SUFFIXES include nvidia/cudnn/include)
find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS ${cudnn_places} PATH_SUFFIXES lib64 lib nvidia/cudnn/lib)
# cuDNN's header includes CUDA's.
find_path(CUDNN_CUDA_INCLUDE_DIR cuda_runtime.h HINTS ${cudnn_places} PATH_SUFFIXES include nvidia/cu13/include)
# cuDNN cannot build plans without NVRTC.
find_library(CUDNN_NVRTC_LIBRARY NAMES nvrtc libnvrtc.so.13 libnvrtc.so.12 HINTS ${cudnn_places}
  PATH_SUFFIXES lib64 lib nvidia/cu13/lib nvidia/cuda_nvrtc/lib)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDNN
  REQUIRED_VARS CUDNN_LIBRARY CUDNN_INCLUDE_DIR CUDNN_CUDA_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "pip install --target DIR nvidia-cudnn-cu13, then -DCUDNN_ROOT=DIR")
mark_as_advanced(CUDNN_INCLUDE_DIR CUDNN_LIBRARY CUDNN_CUDA_INCLUDE_DIR CUDNN_NVRTC_LIBRARY)
