// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/host/fiber.h"

#include <cstdint>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#error "fibers are written for x86-64, as the project's natives are"
#endif

// Pushes the callee-saved registers, switches stacks, pops the registers from the new stack and returns there.
asm(R"(
.text
.globl lvx_switch_stack
.hidden lvx_switch_stack
.type lvx_switch_stack, @function
lvx_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size lvx_switch_stack, .-lvx_switch_stack
)");
extern "C" void lvx_switch_stack(void** from, void* to);

namespace lvx::cuda::host {
namespace {

thread_local Fiber* arriving = nullptr;
thread_local Fiber* leaving = nullptr;

// A cache of the stacks of destroyed fibers. A kernel needs one stack per thread of a block. With fresh pages from the system
// each time, page faults took nine tenths of a test's time, and far more on machines where page faults are expensive.
struct Stacks {
  std::mutex mutex;
  std::vector<std::unique_ptr<std::byte[]>> spare;
};

Stacks& stacks() {
  static Stacks all;
  return all;
}

std::unique_ptr<std::byte[]> take_stack(std::size_t bytes) {
  const std::lock_guard lock(stacks().mutex);
  auto& spare = stacks().spare;
  if (spare.empty()) return std::unique_ptr<std::byte[]>(new std::byte[bytes]);  // not cleared
  auto stack = std::move(spare.back());
  spare.pop_back();
  return stack;
}

}  // namespace

Fiber::~Fiber() {
  if (!stack_) return;
  const std::lock_guard lock(stacks().mutex);
  stacks().spare.push_back(std::move(stack_));
}

void Fiber::prepare(void (*entry)()) {
  if (!stack_) stack_ = take_stack(kStackBytes);
  entry_ = entry;
  bottom_ = stack_.get();
  bytes_ = kStackBytes;
  shadow_ = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_.get(), kStackBytes);  // frames that will never resume
#endif
  // Six registers below the return address: the stack looks as if the fiber had just called the switch.
  const auto top = (reinterpret_cast<std::uintptr_t>(stack_.get()) + kStackBytes) / 16 * 16;
  void* frame[8] = {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, reinterpret_cast<void*>(&begin),
                    nullptr};
  auto* at = reinterpret_cast<std::byte*>(top - sizeof(frame));
  std::memcpy(at, frame, sizeof(frame));
  stack_pointer_ = at;
}

void Fiber::begin() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &leaving->bottom_, &leaving->bytes_);
#endif
  arriving->entry_();
}

void Fiber::switch_to(Fiber& other) {
  leaving = this;
  arriving = &other;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&shadow_, other.bottom_, other.bytes_);
#endif
  lvx_switch_stack(&stack_pointer_, other.stack_pointer_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(shadow_, &leaving->bottom_, &leaving->bytes_);
#endif
}

}  // namespace lvx::cuda::host
