# SPDX-License-Identifier: Apache-2.0
# The target 'tidy' runs clang-tidy on every source of the core. A source that has passed is checked again only if it, a
# header or the configuration changed. The target of a single source is tidy/FOLDER/NAME.cpp.passed.

find_program(LVX_CLANG_TIDY_EXECUTABLE NAMES clang-tidy-14 clang-tidy REQUIRED)
# The kernels are the same source for every instruction set: checks only the largest set.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
  target_compile_options(lvx_core PRIVATE ${lvx_avx512})
  target_compile_definitions(lvx_core PRIVATE HWY_COMPILE_ONLY_STATIC)
endif()

get_target_property(sources lvx_core SOURCES)
file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/*.h" "${CMAKE_SOURCE_DIR}/include/*.h")
set(passed)
foreach(source IN LISTS sources)
  file(RELATIVE_PATH name "${CMAKE_SOURCE_DIR}/src" "${source}")
  set(stamp "${CMAKE_BINARY_DIR}/tidy/${name}.passed")
  add_custom_command(OUTPUT "${stamp}"
    COMMAND "${LVX_CLANG_TIDY_EXECUTABLE}" --quiet -p "${CMAKE_BINARY_DIR}" "${source}"
    COMMAND "${CMAKE_COMMAND}" -E touch "${stamp}"
    DEPENDS "${source}" ${headers} "${CMAKE_SOURCE_DIR}/../.clang-tidy" "${CMAKE_CURRENT_LIST_DIR}/Options.cmake"
      "${CMAKE_CURRENT_LIST_FILE}" "${CMAKE_SOURCE_DIR}/CMakeLists.txt"
    COMMENT "clang-tidy ${name}" VERBATIM)
  list(APPEND passed "${stamp}")
endforeach()
add_custom_target(tidy DEPENDS ${passed})
