// SPDX-License-Identifier: Apache-2.0
// Executes blocks of GPU threads on the host, lane by lane, with one fiber per thread. Throws Fault for errors that a GPU
// would not report:
//   - an access outside shared memory, outside the registered global memory, or misaligned
//   - a read of shared memory that is uninitialised in this block, or that an unfinished asynchronous copy will fill
//   - accesses of two threads to the same shared bytes, at least one of them a write, with no sync_block (or, within a warp,
//     sync_warp) between them
//   - warp divergence at a warp-synchronous primitive, and threads that end while others wait for them
// Asynchronous copies read and write as late as possible: when a thread waits for them.
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

// Executes blocks in order; body is the code of each thread. Must not be called from a body.
void simulate(std::int64_t blocks, int threads, std::size_t shared_bytes, const std::function<void()>& body);

// Registers global memory that kernels of this thread may access, for the lifetime of the object.
class Registered {
 public:
  explicit Registered(std::span<const std::byte> range);
  ~Registered();
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;

 private:
  std::span<const std::byte> range_;
};

// The interface to a stand-in for the CUDA runtime, if a test has one: device memory with its own addresses, and streams.
class Runtime {
 public:
  virtual ~Runtime() = default;
  // The host address of these bytes; null if they are not device memory.
  virtual std::byte* find(const void* data, std::size_t bytes) = 0;
  virtual void enqueue(void* stream, std::function<void()> kernel) = 0;
};
// Sets the stand-in for all threads. Null: kernels run immediately, on registered memory.
void set_runtime(Runtime* runtime);

// Enqueues a kernel on a stream.
void enqueue(void* stream, std::function<void()> kernel);

// The host address of bytes of global memory, for stand-ins for libraries. Throws Fault if kernels may not access them.
std::byte* global_memory(const void* data, std::size_t bytes);

// Called by the primitives, and only within simulate.
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
