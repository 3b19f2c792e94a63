// SPDX-License-Identifier: Apache-2.0
// Libraries of others that are loaded when they are asked for. In one header, as plugins share no objects.
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

// An opened library, which stays: its threads may run until the process ends.
class SharedLibrary {
 public:
  // Looks where the variable says; else where the system finds the file, and in the CUDA toolkit. Throws
  // Error(LVX_MISSING_LIBRARY) naming what is missing and what would bring it.
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
  // Throws Error(LVX_MISSING_LIBRARY): what is wrong with the file, and what would bring another.
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
