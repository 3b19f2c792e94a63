# SPDX-License-Identifier: Apache-2.0
# Compiler options of all targets.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
# Without GNU extensions, g++ also does not contract a*b+c to an FMA, so results do not depend on its choice.
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# Uses ccache if it is installed and no other launcher is set.
find_program(CCACHE_PROGRAM ccache)
mark_as_advanced(CCACHE_PROGRAM)
if(CCACHE_PROGRAM AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  if(LVX_SANITIZE AND NOT DEFINED ENV{CCACHE_SLOPPINESS})
    # Without this, ccache does not cache sources that use a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${CCACHE_PROGRAM}")
  endif()
  set(CMAKE_C_COMPILER_LAUNCHER "${CMAKE_CXX_COMPILER_LAUNCHER}")
  set(CMAKE_CUDA_COMPILER_LAUNCHER "${CMAKE_CXX_COMPILER_LAUNCHER}")
endif()

# lvx_precompile(TARGET HEADERS...): parses system headers once for all sources of a target. Only in sanitizer builds: other
# builds compile each source with its own includes, and so detect missing ones.
function(lvx_precompile target)
  if(NOT LVX_SANITIZE)
    return()
  endif()
  set(headers)
  foreach(header IN LISTS ARGN)
    list(APPEND headers "$<$<COMPILE_LANGUAGE:CXX>:<${header}$<ANGLE-R>>")
  endforeach()
  target_precompile_headers(${target} PRIVATE ${headers})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>) # for ccache
  endif()
endfunction()

# Highway's AVX-512 target includes AES and carry-less multiplication.
set(lvx_avx512 -march=x86-64-v4 -maes -mpclmul)
if(LVX_SANITIZE)
  add_compile_options(-fsanitize=${LVX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${LVX_SANITIZE})
  # The kernels are the same source for every instruction set: sanitizers test one, the largest set of this machine. Release
  # builds test all sets of the machine.
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
    execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -march=native -dM -E -x c++ /dev/null OUTPUT_VARIABLE lvx_native)
    if(lvx_native MATCHES "__AVX512BW__" AND lvx_native MATCHES "__AVX512DQ__" AND lvx_native MATCHES "__AVX512VL__")
      add_compile_options(${lvx_avx512})
      add_compile_definitions(HWY_COMPILE_ONLY_STATIC)
    elseif(lvx_native MATCHES "__AVX2__" AND lvx_native MATCHES "__FMA__")
      add_compile_options(-march=x86-64-v3 -maes -mpclmul)
      add_compile_definitions(HWY_COMPILE_ONLY_STATIC)
    endif()
  endif()
endif()

# Warnings are errors only in our own code; headers of other libraries are system includes.
add_library(lvx_warnings INTERFACE)
target_compile_options(lvx_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # At -O3, g++ 12 warns about accesses that cannot happen (an inlined std::sort of a small array, a short
  # literal behind strnlen). AddressSanitizer and newer compilers check the bounds.
  target_compile_options(lvx_warnings INTERFACE -Wno-array-bounds)
endif()
