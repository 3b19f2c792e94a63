// SPDX-License-Identifier: Apache-2.0
// Executes blocks of GPU threads on the host, one fiber a thread, lane by lane, and throws Fault where a GPU would
// compute garbage in silence:
//   - an access outside shared memory, outside the registered global memory, or misaligned
//   - a read of shared memory that nobody wrote in this block, or that an asynchronous copy has yet to fill
//   - two threads on the same shared bytes, one of them writing, with no sync_block (or, within a warp, sync_warp)
//     between them
//   - lanes of a warp at different primitives, and threads that end while others wait for them
// Asynchronous copies read and write as late as they may: when they are waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <span>
#include <stdexcept>

#include "device/cuda/warp/types.h"

namespace lvx::cuda::host {

class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Blocks one after the other; body is what each thread does. Calls of one process must not overlap in time on one
// thread.
void simulate(std::int64_t blocks, int threads, std::size_t shared_bytes, const std::function<void()>& body);

// Global memory that kernels of this thread may touch, for as long as the object lives.
class Registered {
 public:
  explicit Registered(std::span<const std::byte> range);
  ~Registered();
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;

 private:
  std::span<const std::byte> range_;
};

// Stands for the CUDA runtime, where a test brings one: memory whose addresses are not the host's, and streams.
class Runtime {
 public:
  virtual ~Runtime() = default;
  // Where these bytes lie on the host; null: they are none of its.
  virtual std::byte* find(const void* data, std::size_t bytes) = 0;
  virtual void enqueue(void* stream, std::function<void()> kernel) = 0;
};
// For all threads, from now on; null: kernels run at once, on registered memory.
void set_runtime(Runtime* runtime);

// Puts a kernel on a stream.
void enqueue(void* stream, std::function<void()> kernel);

// Where bytes of global memory lie on the host, for what stands for a library. Throws Fault if kernels may not touch them.
std::byte* global_memory(const void* data, std::size_t bytes);

// What the primitives call; only within simulate.
using Site = std::source_location;

int thread_index();
std::int64_t block_index();
void load_shared(SharedAddress from, void* to, std::size_t bytes);
void store_shared(SharedAddress to, const void* from, std::size_t bytes);
void load_global(const void* from, void* to, std::size_t bytes);
void store_global(void* to, const void* from, std::size_t bytes);
void copy_async(SharedAddress to, const void* from, bool live);
void commit_copies();
void wait_for_copies(int left);
void sync_block(const Site& site);
void sync_warp(const Site& site);
std::uint64_t shuffle(std::uint64_t value, int from, const Site& site);
std::uint32_t ballot(bool vote, const Site& site);
Matrices load_matrices(SharedAddress row, bool transposed, const Site& site);

using Widen = float(std::uint16_t bits);
float widen_bfloat16(std::uint16_t bits);
float widen_float16(std::uint16_t bits);
void multiply_add(float (&c)[4], const Matrices& a, std::uint32_t b0, std::uint32_t b1, Widen* widen,
                  const Site& site);

}  // namespace lvx::cuda::host
