// SPDX-License-Identifier: Apache-2.0
#include "base/plugin.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "base/error.h"

namespace lvx {
namespace {

// The folder of the shared library that contains this code; plugins are there.
std::filesystem::path own_directory() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_directory), &info) == 0 || info.dli_fname == nullptr) {
    throw Error(LVX_INTERNAL, "the dynamic linker cannot tell the path of this library");
  }
  return std::filesystem::absolute(info.dli_fname).parent_path();
}

std::string last_link_error() {
  const char* message = dlerror();  // NOLINT(concurrency-mt-unsafe): per thread in glibc
  return message == nullptr ? "no reason given" : message;
}

}  // namespace

void* find_in_plugin(void* library, const PluginFile& plugin, const char* name) {
  void* function = dlsym(library, name);
  if (function == nullptr) {
    throw Error(LVX_MISSING_LIBRARY,
                std::string(plugin.file) + " is not a plugin of this library: " + last_link_error());
  }
  return function;
}

void* load_plugin(const PluginFile& plugin) {
  const std::filesystem::path file = own_directory() / plugin.file;
  if (!std::filesystem::exists(file)) {
    throw Error(LVX_MISSING_LIBRARY, std::string("this build has no ") + plugin.backend +
                                         " backend: there is no " + file.string() + "; " + plugin.build);
  }
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Error(LVX_MISSING_LIBRARY, std::string("the ") + plugin.backend + " backend cannot be loaded: " +
                                         last_link_error() + " (" + plugin.needs + ")");
  }
  // Library and plugin pass C++ types to each other, so they must be from the same build.
  auto* version_of =
      reinterpret_cast<PluginVersionFunction*>(find_in_plugin(library, plugin, kPluginVersionName));
  const std::string version = version_of();
  if (version != LVX_VERSION) {
    throw Error(LVX_MISSING_LIBRARY, std::string(plugin.file) + " is of version " + version +
                                         ", this library of " + LVX_VERSION + "; use files of one build");
  }
  return library;
}

}  // namespace lvx
