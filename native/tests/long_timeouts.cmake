# SPDX-License-Identifier: Apache-2.0
# ctest reads this file after a target's tests. Randomized tests in full (./lvx test --long) need a longer timeout.
if(DEFINED ENV{LVX_LONG})
  foreach(test IN LISTS lvx_timed_tests lvx_other_tests)
    set_tests_properties("${test}" PROPERTIES TIMEOUT 14400)
  endforeach()
endif()
