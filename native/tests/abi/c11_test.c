/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that the header is valid C11: this file is compiled as C11, and layout_test.cpp calls it. */
#include <lvx/lvx.h>
#include <stddef.h>

_Static_assert(sizeof(lvx_dl_dtype) == 4, "DLDataType has 4 bytes");
_Static_assert(offsetof(lvx_tensor, data) == 0, "DLTensor begins with data");
_Static_assert(offsetof(lvx_cpu_options, struct_size) == 0, "options begin with their size");

int lvx_c11_test(void);

int lvx_c11_test(void) {
  lvx_device device = 0;
  const lvx_cpu_options options = {.struct_size = sizeof(options), .threads = 1};
  lvx_device_info info = {.struct_size = sizeof(info)};
  if (lvx_device_open_cpu(&options, &device) != LVX_OK) return 1;
  if (lvx_device_query(device, &info) != LVX_OK || info.threads != 1) return 2;
  return lvx_device_close(device) == LVX_OK ? 0 : 3;
}
