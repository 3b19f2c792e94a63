// SPDX-License-Identifier: Apache-2.0
#include "lvx/lvx.h"

int32_t lvx_abi_version(void) { return LVX_ABI_VERSION; }

const char* lvx_version(void) { return LVX_VERSION; }
