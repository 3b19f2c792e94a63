# SPDX-License-Identifier: Apache-2.0
# Engines that join processes: shared libraries beside liblvx.so, each built where its headers are, loaded when asked
# for. lvx_plugins lists what is built.

set(lvx_plugins)

option(LVX_BUILD_CUDA "Build the CUDA device: minutes of nvcc" OFF)
if(LVX_BUILD_CUDA)
  include(CudaPlugin)
endif()

# lvx_add_plugin(NAME LIBRARIES...): the room group/NAME, and of the core what it uses.
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

# NCCL is declared by ourselves and found when it is asked for, so this one is always built.
lvx_add_plugin(nccl ${CMAKE_DL_LIBS})

find_package(MPI COMPONENTS C)
if(MPI_C_FOUND)
  lvx_add_plugin(mpi MPI::MPI_C)
  # Only the C interface, which C++ may use; the one for C++ is deprecated.
  target_compile_definitions(lvx_mpi PRIVATE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
else()
  message(WARNING "LEFT OUT: the MPI engine, its headers are not here (Debian: libopenmpi-dev)")
endif()
