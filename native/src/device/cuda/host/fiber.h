// SPDX-License-Identifier: Apache-2.0
// A fiber: a stack that is switched in user space. swapcontext would make a system call for the signal mask at each switch.
#pragma once

#include <cstddef>
#include <memory>

namespace lvx::cuda::host {

class Fiber {
 public:
  // A fiber for the thread's own stack.
  Fiber() = default;
  ~Fiber();  // keeps the stack for a later fiber
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Makes the next switch to this fiber call entry, which must never return.
  void prepare(void (*entry)());

  // Switches from this fiber, which is running, to another. Returns after a switch back to this fiber.
  void switch_to(Fiber& other);

 private:
  static constexpr std::size_t kStackBytes = std::size_t{256} << 10;  // untouched pages take no memory

  static void begin();

  void* stack_pointer_ = nullptr;
  void (*entry_)() = nullptr;
  std::unique_ptr<std::byte[]> stack_;
  // State for AddressSanitizer's fiber interface.
  void* shadow_ = nullptr;
  const void* bottom_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace lvx::cuda::host
