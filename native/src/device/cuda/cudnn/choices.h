// SPDX-License-Identifier: Apache-2.0
// The choices that AUTO made by measurement. All devices of a GPU share them until the process ends, so that the same calls
// give the same bits.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "device/attention_backend.h"
#include "device/cuda/cudnn/operation.h"

namespace lvx::cudnn {

class Choices {
 public:
  // The choices of one GPU.
  static std::shared_ptr<Choices> of_gpu(int ordinal);

  std::optional<lvx_attention_backend> find(const Operation& operation) const;
  // Stores the choice unless there is one already; returns the stored choice. Callers measure without holding the lock,
  // because a measurement may wait for other ranks, which may measure too.
  lvx_attention_backend keep(const Operation& operation, const AttentionBackendChoice& choice);
  // Records that cuDNN does not support these operations at any size, and why.
  void note(const Operation& operation, const AttentionBackendChoice& choice);
  // The maximum number of measurements: a program whose sizes never recur gains nothing from more.
  bool full() const;
  std::vector<AttentionBackendChoice> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<Operation, AttentionBackendChoice> kept_;
  std::map<std::pair<Operation, std::string>, AttentionBackendChoice> noted_;
};

// Measures the time of work on an otherwise idle device.
class Stopwatch {
 public:
  virtual ~Stopwatch() = default;
  Stopwatch() = default;
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  virtual double seconds(const std::function<void()>& work) = 0;
};

// Warms up both, then runs them alternately, and returns the shortest time of each.
struct Race {
  double lvx_seconds;
  double cudnn_seconds;
};
Race race(Stopwatch& watch, const std::function<void()>& lvx, const std::function<void()>& cudnn);

}  // namespace lvx::cudnn
