/* SPDX-License-Identifier: Apache-2.0 */
/* A libcuda.so.1 without a GPU. cuDNN compiles its kernels only if it finds a driver, and passes the code to it. This driver
 * accepts any code, and has no device to run it. For tests only. */
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))
#define NO_DEVICE(name) \
  EXPORT int name(void) { return 100; }
#define TAKES_ALL(name) \
  EXPORT int name(void) { return 0; }
#define MAKES_SOMETHING(name)             \
  EXPORT int name(void** made) {          \
    static int something;                 \
    if (made != NULL) *made = &something; \
    return 0;                             \
  }

MAKES_SOMETHING(cuLibraryLoadData)
MAKES_SOMETHING(cuLibraryGetKernel)
MAKES_SOMETHING(cuModuleLoadData)
MAKES_SOMETHING(cuModuleLoadDataEx)
MAKES_SOMETHING(cuModuleGetFunction)
TAKES_ALL(cuLibraryUnload)
TAKES_ALL(cuModuleUnload)
TAKES_ALL(cuFuncSetAttribute)
TAKES_ALL(cuKernelSetAttribute)

EXPORT int cuFuncGetAttribute(int* value) {
  *value = 0;
  return 0;
}
EXPORT int cuKernelGetAttribute(int* value) {
  *value = 0;
  return 0;
}

NO_DEVICE(cuInit)
NO_DEVICE(cuCtxGetCurrent)
NO_DEVICE(cuCtxGetDevice)
NO_DEVICE(cuCtxGetLimit)
NO_DEVICE(cuCtxPopCurrent)
NO_DEVICE(cuCtxPushCurrent)
NO_DEVICE(cuDeviceGet)
NO_DEVICE(cuDeviceGetAttribute)
NO_DEVICE(cuDeviceGetCount)
NO_DEVICE(cuDevicePrimaryCtxRelease)
NO_DEVICE(cuDevicePrimaryCtxReset)
NO_DEVICE(cuDevicePrimaryCtxRetain)
NO_DEVICE(cuDriverGetVersion)
NO_DEVICE(cuGetErrorName)
NO_DEVICE(cuGetErrorString)
NO_DEVICE(cuLaunchCooperativeKernel)
NO_DEVICE(cuLaunchKernel)
NO_DEVICE(cuLaunchKernelEx)
NO_DEVICE(cuLibraryLoadFromFile)
NO_DEVICE(cuLinkAddData)
NO_DEVICE(cuLinkAddData_v2)
NO_DEVICE(cuLinkAddFile_v2)
NO_DEVICE(cuLinkComplete)
NO_DEVICE(cuLinkCreate)
NO_DEVICE(cuLinkCreate_v2)
NO_DEVICE(cuLinkDestroy)
NO_DEVICE(cuMemcpyDtoH_v2)
NO_DEVICE(cuModuleGetGlobal_v2)
NO_DEVICE(cuModuleLoadFatBinary)
NO_DEVICE(cuOccupancyMaxActiveBlocksPerMultiprocessor)
NO_DEVICE(cuOccupancyMaxPotentialClusterSize)
NO_DEVICE(cuStreamGetCtx)
NO_DEVICE(cuStreamSynchronize)
NO_DEVICE(cuTensorMapEncodeTiled)
