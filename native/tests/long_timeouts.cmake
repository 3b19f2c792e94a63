# SPDX-License-Identifier: Apache-2.0
# Read by ctest after a target's tests: whole campaigns (./lvx test --long) take longer than hangs may.
if(DEFINED ENV{LVX_LONG})
  foreach(test IN LISTS lvx_timed_tests lvx_other_tests)
    set_tests_properties("${test}" PROPERTIES TIMEOUT 14400)
  endforeach()
endif()
