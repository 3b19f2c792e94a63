# SPDX-License-Identifier: Apache-2.0
# Plugins: shared libraries in the folder of liblvx.so, which loads them on demand. A plugin is built only if its headers
# are found. lvx_plugins lists the plugins that are built.

set(lvx_plugins)

option(LVX_BUILD_CUDA "Build the CUDA device, which takes nvcc minutes" OFF)
if(LVX_BUILD_CUDA)
  include(CudaPlugin)
endif()

# lvx_add_plugin(NAME LIBRARIES...): a plugin from the folder group/NAME and the parts of the core that it uses.
function(lvx_add_plugin name)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/group/${name}/*.cpp")
  add_library(lvx_${name} MODULE ${sources})
  target_include_directories(lvx_${name} PRIVATE include src)
  target_compile_definitions(lvx_${name} PRIVATE LVX_VERSION="${PROJECT_VERSION}")
  target_link_libraries(lvx_${name} PRIVATE lvx_warnings lvx_core ${ARGN} Threads::Threads)
  target_link_options(lvx_${name} PRIVATE -Wl,--exclude-libs,ALL)
  if(NOT LVX_SANITIZE)
    target_link_options(lvx_${name} PRIVATE -Wl,--no-undefined)
  endif()
  set_target_properties(lvx_${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
  set(lvx_plugins ${lvx_plugins} lvx_${name} PARENT_SCOPE)
endfunction()

# Our own declarations of NCCL's functions replace its header, so this plugin is always built.
lvx_add_plugin(nccl ${CMAKE_DL_LIBS})

find_package(MPI COMPONENTS C)
if(MPI_C_FOUND)
  lvx_add_plugin(mpi MPI::MPI_C)
  # Uses only MPI's C interface, because the C++ interface is deprecated.
  target_compile_definitions(lvx_mpi PRIVATE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
else()
  message(WARNING "LEFT OUT: the MPI backend, because its headers were not found (Debian: libopenmpi-dev)")
endif()
