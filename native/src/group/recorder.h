// SPDX-License-Identifier: Apache-2.0
// The flight recorder: the last operations of one rank. Any thread may read it, even during an operation.
#pragma once

#include <lvx/lvx.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace lvx {

class Recorder {
 public:
  explicit Recorder(std::size_t entries) : entries_(entries) {}

  void begin(std::uint64_t sequence, const char* operation);
  // Both concern the operation that was begun last.
  void progress(std::uint64_t bytes_sent, std::uint64_t bytes_received);
  void end(lvx_status status, int peer);

  // Copies the newest records that fit, oldest first. Returns the number of all records.
  std::size_t copy(std::span<lvx_record> records) const;

 private:
  lvx_record& newest();

  mutable std::mutex mutex_;
  std::vector<lvx_record> entries_;
  std::uint64_t begun_ = 0;
};

}  // namespace lvx
