// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cudnn/cudnn_api.h"

#include <array>

#include "base/shared_library.h"

namespace lvx::cudnn {
namespace {

constexpr SharedLibraryFile kCudnn = {
    "cuDNN", "libcudnn.so.9", "LVX_CUDNN_LIBRARY",
    "; install cuDNN 9.17 or later (Debian, Ubuntu: libcudnn9-cuda-13 of NVIDIA's repository; pip: "
    "nvidia-cudnn-cu13), or let LVX_CUDNN_LIBRARY name the file"};

std::string text_of(std::size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

lvx_status status_of(Status status) {
  if (status == kHostAllocationFailed || status == kDeviceAllocationFailed) return LVX_OUT_OF_MEMORY;
  switch (status / 1000) {
    case kNotInitialized / 1000:
      return LVX_MISSING_LIBRARY;
    case kNotSupported / 1000:
      return LVX_UNSUPPORTED;
    case kExecutionFailed / 1000:
      return LVX_DEVICE_ERROR;
    default:
      return LVX_INTERNAL;
  }
}

Api load() {
  const SharedLibrary library(kCudnn);
  Api api{};
  library.find(api.get_version, "cudnnGetVersion");
  const std::size_t version = api.get_version();
  if (version < kOldestVersion) library.reject("is cuDNN " + text_of(version));
  library.find(api.get_error_string, "cudnnGetErrorString");
  library.find(api.get_last_error_string, "cudnnGetLastErrorString");
  library.find(api.create, "cudnnCreate");
  library.find(api.destroy, "cudnnDestroy");
  library.find(api.set_stream, "cudnnSetStream");
  library.find(api.create_descriptor, "cudnnBackendCreateDescriptor");
  library.find(api.destroy_descriptor, "cudnnBackendDestroyDescriptor");
  library.find(api.set_attribute, "cudnnBackendSetAttribute");
  library.find(api.get_attribute, "cudnnBackendGetAttribute");
  library.find(api.finalize, "cudnnBackendFinalize");
  library.find(api.execute, "cudnnBackendExecute");
  return api;
}

}  // namespace

std::string Api::version_text() const { return text_of(get_version()); }

void Api::check(Status status, const char* what) const {
  if (status == kSuccess) return;
  std::string said = "cuDNN " + version_text() + ", " + what + ": " + get_error_string(status);
  std::array<char, 512> more{};
  get_last_error_string(more.data(), more.size() - 1);
  if (more[0] != '\0') said += std::string(" (") + more.data() + ")";
  throw Error(status_of(status), said);
}

const Api& loaded_api() {
  static const Api api = load();  // if it throws, the next call retries
  return api;
}

}  // namespace lvx::cudnn
