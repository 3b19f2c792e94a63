// SPDX-License-Identifier: Apache-2.0
// The shared memory of one simulated block, with the access history that distinguishes a race from an ordered access.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lvx::cuda::host {

// The accessing thread, and the time of the access as the interval between two barriers of the block and of the thread's warp.
struct Access {
  int thread;
  std::uint32_t block_interval;
  std::uint32_t warp_interval;
};

class SharedMemory {
 public:
  // first_interval is the first interval of the new block. Memory that only earlier blocks wrote counts as uninitialised.
  void begin_block(std::size_t bytes, std::uint32_t first_interval);

  void load(const Access& access, std::uint32_t offset, void* to, std::size_t bytes);
  void store(const Access& access, std::uint32_t offset, const void* from, std::size_t bytes);

  // Marks the destination of an asynchronous copy: no thread may access the bytes until the copy has finished.
  void begin_store(const Access& access, std::uint32_t offset, std::size_t bytes);
  void finish_store(const Access& access, std::uint32_t offset, const void* from, std::size_t bytes);

 private:
  static constexpr std::size_t kGrain = 2;  // bytes: the smallest element
  static constexpr int kSeveral = -1;

  struct Cell {
    std::uint32_t written = 0;  // block interval
    std::uint32_t written_warp_interval = 0;
    std::uint32_t read = 0;
    std::uint32_t read_warp_interval = 0;
    int writer = 0;
    int reader = 0;       // or kSeveral
    int reader_warp = 0;  // or kSeveral
    bool pending = false;
  };

  void check_range(const Access& access, const char* what, std::uint32_t offset, std::size_t bytes) const;
  void note_read(const Access& access, std::uint32_t offset, Cell& cell);
  void check_write(const Access& access, std::uint32_t offset, const Cell& cell) const;
  static void note_write(const Access& access, Cell& cell);

  std::vector<std::byte> bytes_;
  std::vector<Cell> cells_;
  std::size_t size_ = 0;
  std::uint32_t first_interval_ = 0;
};

}  // namespace lvx::cuda::host
