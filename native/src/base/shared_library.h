// SPDX-License-Identifier: Apache-2.0
// Third-party libraries that are loaded on demand. Header-only, because plugins share no object files.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"

namespace lvx {

struct SharedLibraryFile {
  const char* name;      // as error messages name it
  const char* file;      // soname that the dynamic linker searches for
  const char* variable;  // environment variable that overrides the file
  const char* remedy;    // how to install it; begins with a semicolon
};

// A loaded library. It is never unloaded, because its threads may run until the process ends.
class SharedLibrary {
 public:
  // Loads the file that the variable names; if it is not set, searches the dynamic linker's path and the CUDA toolkit.
  // Throws Error(LVX_MISSING_LIBRARY) that names what is missing and how to install it.
  explicit SharedLibrary(const SharedLibraryFile& wanted) : wanted_(wanted) {
    std::string reasons;
    for (const std::string& file : candidates()) {
      library_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (library_ != nullptr) {
        opened_ = file;
        return;
      }
      const char* reason = dlerror();  // NOLINT(concurrency-mt-unsafe): per thread in glibc
      if (reasons.empty()) reasons = reason == nullptr ? file : reason;
    }
    throw Error(LVX_MISSING_LIBRARY,
                std::string(wanted_.name) + " cannot be loaded: " + reasons + wanted_.remedy);
  }

  // The file that was loaded.
  const std::string& opened() const { return opened_; }
  bool has(const char* symbol) const { return dlsym(library_, symbol) != nullptr; }

  template <typename Function>
  void find(Function*& function, const char* symbol) const {
    function = reinterpret_cast<Function*>(dlsym(library_, symbol));
    if (function == nullptr) reject(std::string("has no ") + symbol);
  }
  // Throws Error(LVX_MISSING_LIBRARY) that says what is wrong with the file and how to install another.
  [[noreturn]] void reject(const std::string& what) const {
    throw Error(LVX_MISSING_LIBRARY, opened_ + " " + what + wanted_.remedy);
  }

 private:
  // Read once, before the library is used.
  static const char* variable(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return value == nullptr || *value == '\0' ? nullptr : value;
  }

  std::vector<std::string> candidates() const {
    if (const char* file = variable(wanted_.variable)) return {file};
    std::vector<std::string> files = {wanted_.file};
    for (const char* name : {"CUDA_HOME", "CUDA_PATH"}) {
      if (const char* toolkit = variable(name))
        files.push_back(std::string(toolkit) + "/lib64/" + wanted_.file);
    }
    files.push_back(std::string("/usr/local/cuda/lib64/") + wanted_.file);
    return files;
  }

  SharedLibraryFile wanted_;
  void* library_ = nullptr;
  std::string opened_;
};

}  // namespace lvx
