// SPDX-License-Identifier: Apache-2.0
#include <lvx/lvx.h>

#ifndef LVX_VERSION
#error "the build defines LVX_VERSION, a string such as 0.1.0 in quotes"
#endif

int32_t lvx_abi_version(void) { return LVX_ABI_VERSION; }

const char* lvx_version(void) { return LVX_VERSION; }
