// SPDX-License-Identifier: Apache-2.0
// Third-party libraries that are loaded on demand. In one header, because plugins share no object files.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"

namespace lvx {

struct SharedLibraryFile {
  const char* name;      // for people
  const char* file;      // as the system knows it
  const char* variable;  // of the environment, that may name another file
  const char* remedy;    // what would bring it, after a semicolon
};

// An opened library. It is never unloaded: its threads may run until the process ends.
class SharedLibrary {
 public:
  // Opens the file that the variable names, else what the system's loader or the CUDA toolkit has. Throws
  // Error(LVX_MISSING_LIBRARY) naming what is missing and how to get it.
  explicit SharedLibrary(const SharedLibraryFile& wanted) : wanted_(wanted) {
    std::string reasons;
    for (const std::string& file : candidates()) {
      library_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (library_ != nullptr) {
        opened_ = file;
        return;
      }
      const char* reason = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps it by thread
      if (reasons.empty()) reasons = reason == nullptr ? file : reason;
    }
    throw Error(LVX_MISSING_LIBRARY,
                std::string(wanted_.name) + " cannot be loaded: " + reasons + wanted_.remedy);
  }

  // The file that was opened.
  const std::string& opened() const { return opened_; }
  bool has(const char* symbol) const { return dlsym(library_, symbol) != nullptr; }

  template <typename Function>
  void find(Function*& function, const char* symbol) const {
    function = reinterpret_cast<Function*>(dlsym(library_, symbol));
    if (function == nullptr) reject(std::string("has no ") + symbol);
  }
  // Throws Error(LVX_MISSING_LIBRARY): what is wrong with the file, and how to get another.
  [[noreturn]] void reject(const std::string& what) const {
    throw Error(LVX_MISSING_LIBRARY, opened_ + " " + what + wanted_.remedy);
  }

 private:
  // The environment is read once, before anything else of the library runs.
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
