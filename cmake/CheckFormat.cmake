# SPDX-License-Identifier: Apache-2.0
# cmake [-DFIX=ON] -P CheckFormat.cmake: clang-format on all C and C++ sources.
# Versions of clang-format disagree on details, so the check needs the version that formatted the project.

cmake_minimum_required(VERSION 3.22)

set(version 14)
file(GLOB_RECURSE files
  "${CMAKE_CURRENT_LIST_DIR}/../native/include/*.h"
  "${CMAKE_CURRENT_LIST_DIR}/../native/src/*.h" "${CMAKE_CURRENT_LIST_DIR}/../native/src/*.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/../native/tests/*.h" "${CMAKE_CURRENT_LIST_DIR}/../native/tests/*.c"
  "${CMAKE_CURRENT_LIST_DIR}/../native/tests/*.cpp")

if(FIX)
  set(severity FATAL_ERROR)
else()
  set(severity WARNING)
endif()
find_program(clang_format NAMES clang-format-${version} clang-format)
if(NOT clang_format)
  message(${severity} "SKIPPED: C++ format: clang-format ${version} is not installed (Debian: clang-format)")
  return()
endif()
execute_process(COMMAND "${clang_format}" --version OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT found MATCHES "version ${version}\\.")
  message(${severity} "SKIPPED: C++ format: needs clang-format ${version}, found ${found}")
  return()
endif()

if(FIX)
  set(mode -i)
else()
  set(mode --dry-run --Werror)
endif()
execute_process(COMMAND "${clang_format}" --style=file ${mode} ${files} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "C++ sources are not formatted; run ./lvx format")
endif()
list(LENGTH files count)
if(FIX)
  message(STATUS "clang-format: ${count} files formatted")
else()
  message(STATUS "clang-format: ${count} files checked")
endif()
