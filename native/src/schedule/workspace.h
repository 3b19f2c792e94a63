// SPDX-License-Identifier: Apache-2.0
// Memory that is reserved piece by piece and allocated once, usually per call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "base/divide.h"
#include "group/group.h"

namespace lvx {

class Workspace {
 public:
  using Piece = std::size_t;

  Piece reserve(std::int64_t bytes) {
    const Piece piece = bytes_;
    bytes_ += static_cast<std::size_t>(round_up(bytes, kAlignment));
    return piece;
  }
  // Allocates from the call, which owns the memory as long as peers may write into it.
  void allocate(Collective& collective) { memory_ = collective.allocate(bytes_); }
  // Uses memory of at least bytes() that is given. For work without transfers between ranks.
  void lie_in(const DeviceMemory& memory) { memory_ = memory.data(); }

  std::byte* at(Piece piece) const { return memory_ == nullptr ? nullptr : memory_ + piece; }
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::int64_t kAlignment = 64;

  std::size_t bytes_ = 0;
  std::byte* memory_ = nullptr;
};

// Scratch that the kernels of a pass use one after the other: the maximum of their needs.
class KernelScratch {
 public:
  void need(std::size_t bytes) { bytes_ = std::max(bytes_, bytes); }
  void reserve(Workspace& workspace) { piece_ = workspace.reserve(static_cast<std::int64_t>(bytes_)); }
  void begin(const Workspace& workspace) { memory_ = {workspace.at(piece_), bytes_}; }
  std::span<std::byte> memory() const { return memory_; }

 private:
  std::size_t bytes_ = 0;
  Workspace::Piece piece_{};
  std::span<std::byte> memory_;
};

}  // namespace lvx
