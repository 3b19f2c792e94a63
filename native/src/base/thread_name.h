// SPDX-License-Identifier: Apache-2.0
#pragma once

#if defined(__linux__)
#include <pthread.h>
#endif

namespace lvx {

// Names the calling thread for debuggers and tools such as top. At most 15 characters.
inline void name_this_thread([[maybe_unused]] const char* name) {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), name);
#endif
}

}  // namespace lvx
