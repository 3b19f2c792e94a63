# SPDX-License-Identifier: Apache-2.0
# cmake -DLIBRARIES=a.so;b.so -DPLUGINS=c.so;d.so -DARCHIVES=e.a -DPACK=DIR -DPLATFORM=linux-x86_64 [-DLICENSES=DIR]
#   [-DSTRIP=PROGRAM] -P PackNatives.cmake
#
# Copies the libraries and every shared library that they need, except those of the C library, which
# every Linux system has. Copies plugins without their dependencies, which must be installed on the
# machine. Removes the symbol tables of libraries and plugins, a tenth of their size; the build folder
# keeps them. The index natives.properties lists each file with its SHA-256, which the loader verifies,
# and an id of all contents, which names its cache directory. ARCHIVES are static libraries that are
# linked into the libraries; only their licences are packed.

cmake_minimum_required(VERSION 3.22)

set(needed)
if(LIBRARIES)
  file(GET_RUNTIME_DEPENDENCIES
    LIBRARIES ${LIBRARIES}
    RESOLVED_DEPENDENCIES_VAR needed
    UNRESOLVED_DEPENDENCIES_VAR unresolved
    PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv|util)\\.so")
  if(unresolved)
    message(FATAL_ERROR "cannot pack ${LIBRARIES}: ${unresolved} not found on this machine")
  endif()
endif()

file(REMOVE_RECURSE "${PACK}")
file(MAKE_DIRECTORY "${PACK}")
set(index "platform=${PLATFORM}\n")
list(SORT needed)
foreach(file IN LISTS LIBRARIES PLUGINS needed)
  get_filename_component(name "${file}" NAME)
  file(REAL_PATH "${file}" real)
  configure_file("${real}" "${PACK}/${name}" COPYONLY)
  if(STRIP AND NOT file IN_LIST needed)
    execute_process(COMMAND "${STRIP}" --strip-unneeded "${PACK}/${name}" COMMAND_ERROR_IS_FATAL ANY)
  endif()
  file(SHA256 "${PACK}/${name}" hash)
  string(APPEND index "sha256.${name}=${hash}\n")
endforeach()
string(SHA256 id "${index}")
string(SUBSTRING "${id}" 0 32 id)
file(WRITE "${PACK}/natives.properties" "id=${id}\n${index}")

if(LICENSES)
  include("${CMAKE_CURRENT_LIST_DIR}/PackLicenses.cmake")
  pack_licenses("${LICENSES}" ${needed} ${ARCHIVES})
endif()
