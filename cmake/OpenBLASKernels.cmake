# SPDX-License-Identifier: Apache-2.0
# lvx_leave_out_blas_kernels(TARGET): links only those kernels of OpenBLAS that real matrix products use. OpenBLAS has a
# table of all its kernels for every processor that it knows, so a linker takes all of them: 23 MB of 27. The complex and
# triangular ones are replaced by one function that nothing calls. The products themselves, and thus their bits, are the
# same on every processor. liblvx.so has 7.7 MB instead of 29.5 MB.
#
# blas.cpp (native/src/device/cpu) calls gemm and gemv of float and double only.

function(lvx_of_archive variable operation)
  execute_process(COMMAND "${CMAKE_AR}" ${operation} "${OpenBLAS_LIBRARY}" ${ARGN} WORKING_DIRECTORY "${folder}"
    OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} "${output}" PARENT_SCOPE)
endfunction()

function(lvx_leave_out_blas_kernels target)
  set(script "${CMAKE_BINARY_DIR}/openblas_left_out.ld")
  if(NOT EXISTS "${script}" OR "${OpenBLAS_LIBRARY}" IS_NEWER_THAN "${script}")
    # nm on the whole archive takes 20 s.
    set(folder "${CMAKE_BINARY_DIR}/openblas_tables")
    file(REMOVE_RECURSE "${folder}")
    file(MAKE_DIRECTORY "${folder}")
    lvx_of_archive(members t)
    string(REGEX MATCHALL "setparam_[A-Z0-9_]+\\.o" tables "${members}")
    set(processors)
    set(symbols)
    if(tables)
      lvx_of_archive(none x ${tables})
      execute_process(COMMAND "${CMAKE_NM}" -u ${tables} WORKING_DIRECTORY "${folder}" OUTPUT_VARIABLE symbols
        COMMAND_ERROR_IS_FATAL ANY)
      # A table refers to kernels with the name of its processor at their end.
      list(TRANSFORM tables REPLACE "^setparam_(.*)\\.o$" "\\1")
      list(JOIN tables "|" processors)
    endif()
    file(REMOVE_RECURSE "${folder}")
    set(lines)
    if(processors)
      set(complex "i?[cz][a-z0-9]+")
      set(triangular "[sd](trsm|trmm|symm|symv|laswp|neg|omatcopy|imatcopy|geadd)")
      string(REGEX MATCHALL " U (${complex}|${triangular})(_[A-Za-z0-9]+)*_(${processors})\n" kernels "${symbols}")
      list(REMOVE_DUPLICATES kernels)
      list(SORT kernels)
      foreach(kernel IN LISTS kernels)
        string(REGEX REPLACE "^ U (.*)\n$" "\\1" kernel "${kernel}")
        string(APPEND lines "${kernel} = blas_kernel_left_out;\n")
      endforeach()
    endif()
    file(WRITE "${script}" "${lines}")
  endif()
  # In front of the archive: the linker takes no member for a symbol that is defined already.
  target_link_libraries(${target} PRIVATE "${script}")
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${script}")
endfunction()
