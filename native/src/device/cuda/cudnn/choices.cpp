// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cudnn/choices.h"

#include <algorithm>
#include <limits>

namespace lvx::cudnn {

std::shared_ptr<Choices> Choices::of_gpu(int ordinal) {
  static std::mutex mutex;
  static std::map<int, std::shared_ptr<Choices>> gpus;
  const std::lock_guard lock(mutex);
  std::shared_ptr<Choices>& choices = gpus[ordinal];
  if (choices == nullptr) choices = std::make_shared<Choices>();
  return choices;
}

std::optional<lvx_attention_backend> Choices::find(const Operation& operation) const {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(operation);
  return found == kept_.end() ? std::nullopt : std::optional(found->second.attention_backend);
}

lvx_attention_backend Choices::keep(const Operation& operation, const AttentionBackendChoice& choice) {
  const std::lock_guard lock(mutex_);
  return kept_.emplace(operation, choice).first->second.attention_backend;
}

void Choices::note(const Operation& operation, const AttentionBackendChoice& choice) {
  const std::lock_guard lock(mutex_);
  noted_.emplace(std::pair(operation, choice.reason), choice);
}

bool Choices::full() const {
  constexpr std::size_t kMost = 4096;
  const std::lock_guard lock(mutex_);
  return kept_.size() >= kMost;
}

std::vector<AttentionBackendChoice> Choices::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<AttentionBackendChoice> all;
  for (const auto& [operation, choice] : kept_) all.push_back(choice);
  for (const auto& [operation, choice] : noted_) all.push_back(choice);
  return all;
}

Race race(Stopwatch& watch, const std::function<void()>& lvx, const std::function<void()>& cudnn) {
  constexpr int kRounds = 3;
  lvx();
  cudnn();
  constexpr double kForever = std::numeric_limits<double>::infinity();
  Race best{kForever, kForever};
  for (int round = 0; round < kRounds; ++round) {
    best.lvx_seconds = std::min(best.lvx_seconds, watch.seconds(lvx));
    best.cudnn_seconds = std::min(best.cudnn_seconds, watch.seconds(cudnn));
  }
  return best;
}

}  // namespace lvx::cudnn
