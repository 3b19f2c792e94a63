// SPDX-License-Identifier: Apache-2.0
// Plugins: shared libraries beside liblvx.so that are loaded on demand, so that one build runs on machines with and
// without their dependencies.
#pragma once

namespace lvx {

struct PluginFile {
  const char* file;     // file name
  const char* backend;  // backend that it implements, as error messages name it
  const char* build;    // for error messages: how to build it
  const char* needs;    // for error messages: what to install at run time
};

// Each plugin exports a function of this name, which returns the version of the library that it was built with.
extern "C" {
using PluginVersionFunction = const char*();
}
inline constexpr const char* kPluginVersionName = "lvx_plugin_version";

// Loads a plugin. Never unloads it, because its threads may run until the process ends. Throws
// Error(LVX_MISSING_LIBRARY) if a library is missing or the files are from different builds.
void* load_plugin(const PluginFile& plugin);

// The address of a function that the plugin exports. Throws Error(LVX_MISSING_LIBRARY) if there is none.
void* find_in_plugin(void* library, const PluginFile& plugin, const char* name);

}  // namespace lvx
