# SPDX-License-Identifier: Apache-2.0
# What every target of the project is compiled with.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
# Without GNU extensions g++ also keeps a*b+c as written, so results do not depend on its choice.
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

if(LVX_SANITIZE)
  add_compile_options(-fsanitize=${LVX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${LVX_SANITIZE})
endif()

# Warnings are errors in our own code only; system headers come in as system includes.
add_library(lvx_warnings INTERFACE)
target_compile_options(lvx_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # At -O3 g++ 12 sees accesses that cannot happen (an inlined std::sort of a small array, a short
  # literal behind strnlen). AddressSanitizer and newer compilers watch the bounds.
  target_compile_options(lvx_warnings INTERFACE -Wno-array-bounds)
endif()
