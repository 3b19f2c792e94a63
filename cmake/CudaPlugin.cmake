# SPDX-License-Identifier: Apache-2.0
# liblvx_cuda.so, the CUDA device: machine code for sm_80 (which also runs on sm_86 to sm_89), Hopper and Blackwell, and PTX
# for later GPUs. The CUDA runtime is linked statically; the driver is loaded when a device is opened.

if(LVX_SANITIZE)
  message(WARNING "LEFT OUT: the CUDA device, because it is not built with sanitizers")
  return()
endif()
include(CheckLanguage)
if(NOT CMAKE_CUDA_COMPILER)
  unset(CMAKE_CUDA_COMPILER CACHE) # otherwise check_language would not search again
endif()
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  message(WARNING "LEFT OUT: the CUDA device, because nvcc 12.8 or later was not found (NVIDIA's CUDA Toolkit)")
  return()
endif()
set(LVX_CUDA_ARCHITECTURES 80-real 90a-real 100-real 120-real 80-virtual CACHE STRING "Same syntax as CMAKE_CUDA_ARCHITECTURES")
set(CMAKE_CUDA_ARCHITECTURES "${LVX_CUDA_ARCHITECTURES}")
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
  message(WARNING "LEFT OUT: the CUDA device, because it needs nvcc 12.8 or later; found ${CMAKE_CUDA_COMPILER_VERSION}")
  return()
endif()
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  # nvcc has known the flag since 12.0, some versions of CMake do not.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
find_package(CUDAToolkit REQUIRED)

include(CudaKernels)
lvx_cuda_kernels(kernels cu)
set(cuda "${CMAKE_SOURCE_DIR}/src/device/cuda")
file(GLOB sources CONFIGURE_DEPENDS
  "${cuda}/cudnn/*.cpp" "${cuda}/device/*.cpp" "${cuda}/launch/*.cpp" "${cuda}/layers/*.cpp")
find_package(cuBLASLt)
if(cuBLASLt_FOUND)
  file(GLOB products CONFIGURE_DEPENDS "${cuda}/layers/cublaslt/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/without_products.cpp$")
  list(APPEND sources ${products})
else()
  message(WARNING "LEFT OUT: the CUDA device's linear maps and projections, because cuBLASLt's header was not found "
    "(python3 -m pip install --target DIR nvidia-cublas, then cuBLASLt_ROOT=DIR in the environment)")
endif()
add_library(lvx_cuda MODULE ${sources} ${kernels})
target_include_directories(lvx_cuda PRIVATE include src)
if(cuBLASLt_FOUND)
  target_include_directories(lvx_cuda SYSTEM PRIVATE "${cuBLASLt_INCLUDE_DIR}")
endif()
target_compile_definitions(lvx_cuda PRIVATE LVX_VERSION="${PROJECT_VERSION}")
target_compile_options(lvx_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CXX>:$<TARGET_PROPERTY:lvx_warnings,INTERFACE_COMPILE_OPTIONS>>
  "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:--expt-relaxed-constexpr -Xptxas -v>")
target_link_libraries(lvx_cuda PRIVATE CUDA::cudart_static Threads::Threads ${CMAKE_DL_LIBS})
target_link_options(lvx_cuda PRIVATE -Wl,--no-undefined -Wl,--exclude-libs,ALL)
set_target_properties(lvx_cuda PROPERTIES
  CUDA_STANDARD 20 CUDA_RUNTIME_LIBRARY Static CUDA_VISIBILITY_PRESET hidden
  LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
list(APPEND lvx_plugins lvx_cuda)

# Keeps what ptxas reports for each kernel next to its object file, and prints it as a table after linking.
set_property(TARGET lvx_cuda PROPERTY CUDA_COMPILER_LAUNCHER "${cuda}/report/keep_log" ${CMAKE_CUDA_COMPILER_LAUNCHER})
add_executable(lvx_cuda_shapes "${cuda}/report/shapes.cpp")
target_include_directories(lvx_cuda_shapes PRIVATE include src)
target_link_libraries(lvx_cuda_shapes PRIVATE lvx_warnings)
add_dependencies(lvx_cuda lvx_cuda_shapes)
add_custom_command(TARGET lvx_cuda POST_BUILD
  COMMAND "${CMAKE_COMMAND}" -DLOGS=${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/lvx_cuda.dir
    -DSHAPES=$<TARGET_FILE:lvx_cuda_shapes> -DTABLE=${CMAKE_BINARY_DIR}/cuda_kernels.md
    -P "${CMAKE_SOURCE_DIR}/../cmake/CudaReport.cmake" VERBATIM)
