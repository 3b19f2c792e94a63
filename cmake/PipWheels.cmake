# SPDX-License-Identifier: Apache-2.0
# lvx_pip_folders(VARIABLE): the folders of this machine's Python packages. NVIDIA's wheels install headers and libraries
# into nvidia/cu13 or nvidia/NAME there. Empty without Python.

function(lvx_pip_folders variable)
  set(folders)
  find_program(LVX_PYTHON python3)
  mark_as_advanced(LVX_PYTHON)
  if(LVX_PYTHON)
    execute_process(
      COMMAND "${LVX_PYTHON}" -c "import site, sysconfig; print(*{sysconfig.get_path('purelib'), site.getusersitepackages()}, sep=';')"
      OUTPUT_VARIABLE folders OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  set(${variable} ${folders} PARENT_SCOPE)
endfunction()
