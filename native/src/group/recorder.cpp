// SPDX-License-Identifier: Apache-2.0
#include "group/recorder.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace lvx {
namespace {

std::int64_t now_nanoseconds() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

enum State { kBegun = 0, kDone = 1, kFailed = 2 };

}  // namespace

lvx_record& Recorder::newest() { return entries_[(begun_ - 1) % entries_.size()]; }

void Recorder::begin(std::uint64_t sequence, const char* operation) {
  const std::lock_guard lock(mutex_);
  ++begun_;
  lvx_record& record = newest();
  record = {};
  record.sequence = sequence;
  record.state = kBegun;
  record.peer = -1;
  record.begin_nanoseconds = now_nanoseconds();
  std::strncpy(record.operation, operation, sizeof(record.operation) - 1);
}

void Recorder::progress(std::uint64_t bytes_sent, std::uint64_t bytes_received) {
  const std::lock_guard lock(mutex_);
  newest().bytes_sent = bytes_sent;
  newest().bytes_received = bytes_received;
}

void Recorder::end(lvx_status status, int peer) {
  const std::lock_guard lock(mutex_);
  lvx_record& record = newest();
  record.state = status == LVX_OK ? kDone : kFailed;
  record.status = status;
  record.peer = peer;
  record.end_nanoseconds = now_nanoseconds();
}

std::size_t Recorder::copy(std::span<lvx_record> records) const {
  const std::lock_guard lock(mutex_);
  const std::size_t kept = static_cast<std::size_t>(std::min<std::uint64_t>(begun_, entries_.size()));
  const std::size_t copied = std::min(kept, records.size());
  for (std::size_t i = 0; i < copied; ++i) records[i] = entries_[(begun_ - copied + i) % entries_.size()];
  return kept;
}

}  // namespace lvx
