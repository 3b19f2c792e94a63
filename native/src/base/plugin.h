// SPDX-License-Identifier: Apache-2.0
// Shared libraries beside this one, loaded when they are asked for, so that one build serves machines with and without
// what they need.
#pragma once

namespace lvx {

struct PluginFile {
  const char* file;    // its name
  const char* engine;  // what it brings, for people
  const char* build;   // where it is built
  const char* needs;   // what it needs to run, as a remedy
};

// What each plugin exports: the version of the library it was built with.
extern "C" {
using PluginVersionFunction = const char*();
}
inline constexpr const char* kPluginVersionName = "lvx_plugin_version";

// Loads a plugin, which stays: its threads may run until the process ends. Throws Error(LVX_MISSING_LIBRARY) naming what
// is missing, or that the files are of different builds.
void* load_plugin(const PluginFile& plugin);

// A function that the plugin exports. Throws Error(LVX_MISSING_LIBRARY).
void* find_in_plugin(void* library, const PluginFile& plugin, const char* name);

}  // namespace lvx
