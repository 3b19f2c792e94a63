// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/host/shared_memory.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "device/cuda/host/simulator.h"

namespace lvx::cuda::host {
namespace {

int warp_of(int thread) { return thread / kWarp; }

[[noreturn]] void fault(const Access& access, std::uint32_t offset, const std::string& what) {
  throw Fault("thread " + std::to_string(access.thread) + ", shared byte " + std::to_string(offset) + ": " +
              what);
}

}  // namespace

void SharedMemory::begin_block(std::size_t bytes, std::uint32_t first_interval) {
  size_ = bytes;
  first_interval_ = first_interval;
  if (bytes > bytes_.size()) {
    bytes_.resize(bytes);
    cells_.resize((bytes + kGrain - 1) / kGrain);
  }
  for (Cell& cell : cells_) cell.pending = false;
  // Filled with garbage, so that erroneous reads give wrong results even if no check detects them.
  std::fill(bytes_.begin(), bytes_.end(), std::byte{0xff});
}

void SharedMemory::check_range(const Access& access, const char* what, std::uint32_t offset,
                               std::size_t bytes) const {
  if (offset > size_ || bytes > size_ - offset) {
    fault(access, offset,
          std::string(what) + " of " + std::to_string(bytes) + " bytes outside the block's " +
              std::to_string(size_));
  }
  if (offset % bytes != 0) {
    fault(access, offset, std::string("misaligned ") + what + " of " + std::to_string(bytes) + " bytes");
  }
}

void SharedMemory::note_read(const Access& access, std::uint32_t offset, Cell& cell) {
  if (cell.pending) fault(access, offset, "read while an asynchronous copy is under way");
  if (cell.written < first_interval_) fault(access, offset, "read before anything was written");
  const int warp = warp_of(access.thread);
  if (cell.written == access.block_interval && cell.writer != access.thread &&
      (warp_of(cell.writer) != warp || cell.written_warp_interval == access.warp_interval)) {
    fault(access, offset,
          "read what thread " + std::to_string(cell.writer) + " wrote with no barrier between them");
  }
  if (cell.read != access.block_interval) {
    cell.read = access.block_interval;
    cell.reader = access.thread;
    cell.reader_warp = warp;
  } else if (cell.reader_warp != warp) {
    cell.reader = cell.reader_warp = kSeveral;
  } else if (cell.reader != access.thread) {
    cell.reader = cell.read_warp_interval == access.warp_interval ? kSeveral : access.thread;
  }
  cell.read_warp_interval = access.warp_interval;
}

void SharedMemory::check_write(const Access& access, std::uint32_t offset, const Cell& cell) const {
  if (cell.pending) fault(access, offset, "written while an asynchronous copy is under way");
  const int warp = warp_of(access.thread);
  if (cell.written == access.block_interval && cell.writer != access.thread &&
      (warp_of(cell.writer) != warp || cell.written_warp_interval == access.warp_interval)) {
    fault(access, offset,
          "written after thread " + std::to_string(cell.writer) + " wrote it, with no barrier between them");
  }
  if (cell.read == access.block_interval && cell.reader != access.thread &&
      (cell.reader_warp != warp || cell.read_warp_interval == access.warp_interval)) {
    fault(access, offset, "written after other threads read it, with no barrier between them");
  }
}

void SharedMemory::note_write(const Access& access, Cell& cell) {
  cell.written = access.block_interval;
  cell.written_warp_interval = access.warp_interval;
  cell.writer = access.thread;
}

void SharedMemory::load(const Access& access, std::uint32_t offset, void* to, std::size_t bytes) {
  check_range(access, "load", offset, bytes);
  for (std::size_t i = 0; i < bytes; i += kGrain) {
    note_read(access, offset + static_cast<std::uint32_t>(i), cells_[(offset + i) / kGrain]);
  }
  std::memcpy(to, bytes_.data() + offset, bytes);
}

void SharedMemory::store(const Access& access, std::uint32_t offset, const void* from, std::size_t bytes) {
  check_range(access, "store", offset, bytes);
  for (std::size_t i = 0; i < bytes; i += kGrain) {
    Cell& cell = cells_[(offset + i) / kGrain];
    check_write(access, offset + static_cast<std::uint32_t>(i), cell);
    note_write(access, cell);
  }
  std::memcpy(bytes_.data() + offset, from, bytes);
}

void SharedMemory::begin_store(const Access& access, std::uint32_t offset, std::size_t bytes) {
  check_range(access, "asynchronous copy", offset, bytes);
  for (std::size_t i = 0; i < bytes; i += kGrain) {
    Cell& cell = cells_[(offset + i) / kGrain];
    check_write(access, offset + static_cast<std::uint32_t>(i), cell);
    cell.pending = true;
  }
}

void SharedMemory::finish_store(const Access& access, std::uint32_t offset, const void* from,
                                std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += kGrain) {
    Cell& cell = cells_[(offset + i) / kGrain];
    cell.pending = false;
    note_write(access, cell);
  }
  std::memcpy(bytes_.data() + offset, from, bytes);
}

}  // namespace lvx::cuda::host
