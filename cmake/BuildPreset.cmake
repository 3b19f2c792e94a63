# SPDX-License-Identifier: Apache-2.0
# cmake -DPRESET=release -DSTEPS=configure,build,pack,test [-DTESTS=ON|OFF] [-DCUDA=ON|OFF] [-DPACK_DIR=DIR]
#   [-DLICENSE_DIR=DIR] -P BuildPreset.cmake
#
# The one way in which Maven and ./lvx drive the native build.

cmake_minimum_required(VERSION 3.22)

set(source "${CMAKE_CURRENT_LIST_DIR}/../native")
set(build "${source}/target/cmake/${PRESET}")
string(REPLACE "," ";" steps "${STEPS}")
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)

function(run)
  execute_process(COMMAND ${ARGV} WORKING_DIRECTORY "${source}" RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    string(JOIN " " command ${ARGV})
    message(FATAL_ERROR "failed (${result}): ${command}")
  endif()
endfunction()

foreach(step IN LISTS steps)
  if(step STREQUAL "configure")
    # A build folder keeps the generator it began with.
    find_program(ninja NAMES ninja ninja-build)
    if(ninja AND NOT EXISTS "${build}/CMakeCache.txt")
      set(ENV{CMAKE_GENERATOR} Ninja)
    endif()
    set(options)
    if(DEFINED TESTS)
      list(APPEND options -DLVX_BUILD_TESTS=${TESTS})
    endif()
    # A build folder remembers this one.
    if(DEFINED CUDA)
      list(APPEND options -DLVX_BUILD_CUDA=${CUDA})
    endif()
    if(DEFINED PACK_DIR)
      list(APPEND options -DLVX_PACK_DIR=${PACK_DIR})
    endif()
    if(DEFINED LICENSE_DIR)
      list(APPEND options -DLVX_LICENSE_DIR=${LICENSE_DIR})
    endif()
    run("${CMAKE_COMMAND}" --preset "${PRESET}" ${options})
  elseif(step STREQUAL "build")
    run("${CMAKE_COMMAND}" --build "${build}" --parallel ${cores})
  elseif(step STREQUAL "pack")
    run("${CMAKE_COMMAND}" --build "${build}" --target pack)
  elseif(step STREQUAL "test")
    run("${CMAKE_CTEST_COMMAND}" --test-dir "${build}" --output-on-failure --no-tests=error --parallel ${cores})
  else()
    message(FATAL_ERROR "unknown step '${step}': expected configure, build, pack or test")
  endif()
endforeach()
