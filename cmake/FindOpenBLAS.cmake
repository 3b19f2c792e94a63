# SPDX-License-Identifier: Apache-2.0
# Finds the serial OpenBLAS (our own threads split the work) and defines the target OpenBLAS::OpenBLAS.
# It must be the static archive. Then no BLAS of the jar can conflict with the application's, and blas.cpp
# (native/src/device/cpu) can put a lock around OpenBLAS's pool of buffers, which is not thread-safe.
# OpenBLAS_ROOT or CMAKE_PREFIX_PATH name other folders.

find_path(OpenBLAS_INCLUDE_DIR cblas.h
  PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-serial openblas-serial openblas)
find_library(OpenBLAS_LIBRARY
  NAMES libopenblas.a
  PATH_SUFFIXES openblas-serial ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-serial)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenBLAS
  REQUIRED_VARS OpenBLAS_LIBRARY OpenBLAS_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "Debian: apt-get install libopenblas-serial-dev")

if(OpenBLAS_FOUND AND NOT TARGET OpenBLAS::OpenBLAS)
  add_library(OpenBLAS::OpenBLAS UNKNOWN IMPORTED)
  set_target_properties(OpenBLAS::OpenBLAS PROPERTIES
    IMPORTED_LOCATION "${OpenBLAS_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${OpenBLAS_INCLUDE_DIR}"
    INTERFACE_LINK_OPTIONS "LINKER:--wrap=blas_memory_alloc,--wrap=blas_memory_free")
endif()
mark_as_advanced(OpenBLAS_INCLUDE_DIR OpenBLAS_LIBRARY)
