# SPDX-License-Identifier: Apache-2.0
# The target 'pack' copies the natives, the libraries that they need except the C library, and an index into
# ${LVX_PACK_DIR}/<os>-<arch>/, and the licences of third-party libraries into ${LVX_LICENSE_DIR}. It runs again only if a
# library changed.

string(TOLOWER "${CMAKE_SYSTEM_NAME}" lvx_os)
string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" lvx_arch)
string(REPLACE "amd64" "x86_64" lvx_arch "${lvx_arch}")
string(REPLACE "arm64" "aarch64" lvx_arch "${lvx_arch}")
set(lvx_pack "${LVX_PACK_DIR}/${lvx_os}-${lvx_arch}")

set(lvx_plugin_files)
foreach(plugin IN LISTS lvx_plugins)
  list(APPEND lvx_plugin_files "$<TARGET_FILE:${plugin}>")
endforeach()

add_custom_command(
  OUTPUT "${lvx_pack}/natives.properties"
  COMMAND "${CMAKE_COMMAND}"
    "-DLIBRARIES=$<TARGET_FILE:lvx>" "-DPLUGINS=${lvx_plugin_files}" -DPACK=${lvx_pack} -DPLATFORM=${lvx_os}-${lvx_arch}
    "-DARCHIVES=${OpenBLAS_LIBRARY}" -DLICENSES=${LVX_LICENSE_DIR}
    -P "${CMAKE_SOURCE_DIR}/../cmake/PackNatives.cmake"
  DEPENDS lvx ${lvx_plugins} "${CMAKE_SOURCE_DIR}/../cmake/PackNatives.cmake"
    "${CMAKE_SOURCE_DIR}/../cmake/PackLicenses.cmake"
  COMMENT "Packing the natives of ${lvx_os}-${lvx_arch}"
  VERBATIM)
add_custom_target(pack DEPENDS "${lvx_pack}/natives.properties")
