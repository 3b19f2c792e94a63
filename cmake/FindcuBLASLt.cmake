# SPDX-License-Identifier: Apache-2.0
# Finds cuBLASLt's header, which the CUDA device's matrix products need, and its library, which only tests use: the device
# loads it for the first product. Searches cuBLASLt_ROOT, the CUDA toolkit, the system and Python's packages. cuBLASLt_ROOT
# may be a folder into which pip has installed the wheel nvidia-cublas.

include(PipWheels)
lvx_pip_folders(cublaslt_wheels)
set(cublaslt_hints "$ENV{CUDA_HOME}" "$ENV{CUDA_PATH}" ${CUDAToolkit_LIBRARY_ROOT} /usr/local/cuda ${cublaslt_wheels})
find_path(cuBLASLt_INCLUDE_DIR cublasLt.h HINTS ${cublaslt_hints}
  PATH_SUFFIXES include nvidia/cu13/include nvidia/cublas/include)
find_library(cuBLASLt_LIBRARY NAMES libcublasLt.so.13 libcublasLt.so.12 cublasLt HINTS ${cublaslt_hints}
  PATH_SUFFIXES lib64 lib nvidia/cu13/lib nvidia/cublas/lib)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(cuBLASLt
  REQUIRED_VARS cuBLASLt_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "pip install --target DIR nvidia-cublas, then -DcuBLASLt_ROOT=DIR")
mark_as_advanced(cuBLASLt_INCLUDE_DIR cuBLASLt_LIBRARY)
