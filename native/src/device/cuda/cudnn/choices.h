// SPDX-License-Identifier: Apache-2.0
// What was measured, and hence chosen: alike for all devices of a GPU for as long as the process lives, so that the same
// calls give the same bits.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "device/cuda/cudnn/operation.h"
#include "device/engines.h"

namespace lvx::cudnn {

class Choices {
 public:
  // Those of a GPU.
  static std::shared_ptr<Choices> of_gpu(int ordinal);

  std::optional<lvx_engine> find(const Operation& operation) const;
  // Keeps the choice unless there is one already; returns what is kept. Measuring happens without the lock, since what is
  // measured may wait for other ranks, which may want to measure.
  lvx_engine keep(const Operation& operation, const EngineChoice& choice);
  // That these operations are not cuDNN's, whatever their other sizes, and why.
  void note(const Operation& operation, const EngineChoice& choice);
  // No more are measured then: a program whose sizes never come back gains nothing by it.
  bool full() const;
  std::vector<EngineChoice> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<Operation, EngineChoice> kept_;
  std::map<std::pair<Operation, std::string>, EngineChoice> noted_;
};

// Times work on a device, which has nothing else to do meanwhile.
class Stopwatch {
 public:
  virtual ~Stopwatch() = default;
  Stopwatch() = default;
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  virtual double seconds(const std::function<void()>& work) = 0;
};

// Runs both in turn, after each has run once, and tells the shortest time of each.
struct Race {
  double lvx_seconds;
  double cudnn_seconds;
};
Race race(Stopwatch& watch, const std::function<void()>& lvx, const std::function<void()>& cudnn);

}  // namespace lvx::cudnn
