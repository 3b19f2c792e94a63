// SPDX-License-Identifier: Apache-2.0
// A stack of its own, switched to and from without the kernel: swapcontext would ask it to save signals each time.
#pragma once

#include <cstddef>
#include <memory>

namespace lvx::cuda::host {

class Fiber {
 public:
  // The thread's own stack.
  Fiber() = default;
  ~Fiber();  // keeps the stack for a later fiber
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Makes the next switch to this fiber begin entry, which must never return.
  void prepare(void (*entry)());

  // Leaves this fiber, which is running, for another; returns when somebody switches back.
  void switch_to(Fiber& other);

 private:
  static constexpr std::size_t kStackBytes = std::size_t{256} << 10;  // touched only as far as it is used

  static void begin();

  void* stack_pointer_ = nullptr;
  void (*entry_)() = nullptr;
  std::unique_ptr<std::byte[]> stack_;
  // What AddressSanitizer wants to know.
  void* shadow_ = nullptr;
  const void* bottom_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace lvx::cuda::host
