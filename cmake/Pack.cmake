# SPDX-License-Identifier: Apache-2.0
# The target 'pack' copies the natives, the libraries that they need except the C library, and an index into
# ${LVX_PACK_DIR}/<os>-<arch>/, the CUDA device into <os>-<arch>-cuda<version>/, and the licences of third-party libraries into
# ${LVX_LICENSE_DIR}. It runs again only if a library changed.

string(TOLOWER "${CMAKE_SYSTEM_NAME}" lvx_os)
string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" lvx_arch)
string(REPLACE "amd64" "x86_64" lvx_arch "${lvx_arch}")
string(REPLACE "arm64" "aarch64" lvx_arch "${lvx_arch}")
set(lvx_pack "${LVX_PACK_DIR}/${lvx_os}-${lvx_arch}")

set(lvx_plugin_files)
set(lvx_packed_plugins ${lvx_plugins})
list(REMOVE_ITEM lvx_packed_plugins lvx_cuda)
foreach(plugin IN LISTS lvx_packed_plugins)
  list(APPEND lvx_plugin_files "$<TARGET_FILE:${plugin}>")
endforeach()
set(lvx_indexes "${lvx_pack}/natives.properties")

add_custom_command(
  OUTPUT "${lvx_pack}/natives.properties"
  COMMAND "${CMAKE_COMMAND}"
    "-DLIBRARIES=$<TARGET_FILE:lvx>" "-DPLUGINS=${lvx_plugin_files}" -DPACK=${lvx_pack} -DPLATFORM=${lvx_os}-${lvx_arch}
    "-DARCHIVES=${OpenBLAS_LIBRARY}" -DLICENSES=${LVX_LICENSE_DIR} "-DSTRIP=${CMAKE_STRIP}"
    -P "${CMAKE_SOURCE_DIR}/../cmake/PackNatives.cmake"
  DEPENDS lvx ${lvx_packed_plugins} "${CMAKE_SOURCE_DIR}/../cmake/PackNatives.cmake"
    "${CMAKE_SOURCE_DIR}/../cmake/PackLicenses.cmake"
  COMMENT "Packing the natives of ${lvx_os}-${lvx_arch}"
  VERBATIM)

# The CUDA device is large, and most machines have no use for it: it has a folder, and in dist a jar, of its own.
if(TARGET lvx_cuda)
  string(REGEX MATCH "^[0-9]+" lvx_cuda_major "${CMAKE_CUDA_COMPILER_VERSION}")
  set(lvx_cuda_pack "${lvx_pack}-cuda${lvx_cuda_major}")
  add_custom_command(
    OUTPUT "${lvx_cuda_pack}/natives.properties"
    COMMAND "${CMAKE_COMMAND}"
      "-DPLUGINS=$<TARGET_FILE:lvx_cuda>" -DPACK=${lvx_cuda_pack} -DPLATFORM=${lvx_os}-${lvx_arch}-cuda${lvx_cuda_major}
      "-DSTRIP=${CMAKE_STRIP}" -P "${CMAKE_SOURCE_DIR}/../cmake/PackNatives.cmake"
    DEPENDS lvx_cuda "${CMAKE_SOURCE_DIR}/../cmake/PackNatives.cmake"
    COMMENT "Packing the CUDA device"
    VERBATIM)
  list(APPEND lvx_indexes "${lvx_cuda_pack}/natives.properties")
endif()
add_custom_target(pack DEPENDS ${lvx_indexes})
