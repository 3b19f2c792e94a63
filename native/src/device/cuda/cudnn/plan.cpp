// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cudnn/plan.h"

#include <optional>
#include <string>

#include "base/error.h"

namespace lvx::cudnn {
namespace {

// Finds a cuDNN engine that accepts the graph. Tries engines in the order of cuDNN's heuristics. If there are none (backward,
// at least up to 9.24), tries engines in sequence, each with all its kernels.
class Search {
 public:
  Search(const Api& api, const Target& target, const BackendDescriptor& graph)
      : api_(api), target_(target), graph_(graph) {}

  BackendDescriptor run() {
    std::optional<BackendDescriptor> found = by_heuristics();
    if (!found) found = one_by_one();
    if (!found) throw Error(LVX_UNSUPPORTED, refusal_);
    return std::move(*found);
  }

 private:
  // Stores cuDNN's reason for rejecting the last attempt. Errors such as out of memory propagate; other errors
  // of one engine may not affect the next engine.
  template <typename Try>
  auto attempt(Try&& make) -> std::optional<decltype(make())> {
    try {
      return make();
    } catch (const Error& error) {
      if (error.status() != LVX_UNSUPPORTED && error.status() != LVX_INTERNAL) throw;
      refusal_ = error.what();
      return std::nullopt;
    }
  }

  std::optional<BackendDescriptor> by_heuristics() {
    constexpr std::size_t kMost = 16;
    const auto configs = attempt([&] {
      BackendDescriptor heuristics(api_, kEngineHeuristics);
      heuristics.child(kHeuristicsGraph, graph_);
      heuristics.value(kHeuristicsMode, kHeuristicsModeType, kModeA);
      if (target_.device != nullptr) heuristics.child(kHeuristicsDevice, *target_.device);
      heuristics.finalize("heuristics");
      return heuristics.children(kHeuristicsResults, kEngineConfig, kMost);
    });
    if (!configs) return std::nullopt;
    for (const BackendDescriptor& config : *configs) {
      if (auto plan = attempt([&] { return plan_of(config); })) return plan;
    }
    return std::nullopt;
  }

  std::optional<BackendDescriptor> one_by_one() {
    const auto engines = graph_.read<std::int64_t>(kGraphEngines, kInt64Type);
    for (std::int64_t index = 0; index < engines; ++index) {
      const auto engine = attempt([&] { return engine_of(index); });
      if (!engine) continue;
      for (const BackendDescriptor& knob : engine->children(kEngineKnobs, kKnobInfo, kKnobs)) {
        if (knob.read<Knobs>(kKnobType, kKnobTypeType) != kKernelConfig) continue;
        const auto last = knob.read<std::int64_t>(kKnobMaximum, kInt64Type);
        for (auto choice = knob.read<std::int64_t>(kKnobMinimum, kInt64Type); choice <= last; ++choice) {
          if (auto plan = attempt([&] { return plan_of(config_of(*engine, choice)); })) return plan;
        }
      }
    }
    return std::nullopt;
  }

  BackendDescriptor engine_of(std::int64_t index) const {
    BackendDescriptor engine(api_, kEngine);
    engine.child(kEngineGraph, graph_);
    engine.integers(kEngineIndex, {index});
    if (target_.device != nullptr) engine.child(kEngineDevice, *target_.device);
    engine.finalize("engine");
    return engine;
  }

  BackendDescriptor config_of(const BackendDescriptor& engine, std::int64_t kernel) const {
    BackendDescriptor choice(api_, kKnobChoice);
    choice.value(kChoiceType, kKnobTypeType, kKernelConfig);
    choice.integers(kChoiceValue, {kernel});
    choice.finalize("choice of a kernel");
    BackendDescriptor config(api_, kEngineConfig);
    config.child(kConfigEngine, engine);
    config.child(kConfigKnobs, choice);
    config.finalize("configuration of an engine");
    return config;
  }

  BackendDescriptor plan_of(const BackendDescriptor& config) const {
    BackendDescriptor plan(api_, kExecutionPlan);
    if (target_.handle != nullptr) plan.value(kPlanHandle, kHandleType, target_.handle);
    plan.child(kPlanConfig, config);
    if (target_.device != nullptr) plan.child(kPlanDevice, *target_.device);
    plan.finalize("plan");
    return plan;
  }

  const Api& api_;
  const Target& target_;
  const BackendDescriptor& graph_;
  std::string refusal_ = "cuDNN " + api_.version_text() +
                         " has no engine for this problem on this GPU; it also needs NVRTC, libnvrtc.so";
};

BackendDescriptor graph_of(const Api& api, const Target& target, const BackendDescriptor& operation) {
  BackendDescriptor graph(api, kOperationGraph);
  if (target.handle != nullptr) graph.value(kGraphHandle, kHandleType, target.handle);
  graph.child(kGraphOperations, operation);
  graph.finalize("graph");
  return graph;
}

}  // namespace

Plan::Plan(const Api& api, const Target& target, const Operation& operation)
    : api_(&api),
      described_(describe(api, operation)),
      plan_([&] {
        described_.push_back(graph_of(api, target, described_.front()));
        return Search(api, target, described_.back()).run();
      }()),
      workspace_bytes_(static_cast<std::size_t>(plan_.read<std::int64_t>(kPlanWorkspaceSize, kInt64Type))) {}

void Plan::execute(Handle handle, const Pointers& pointers, void* workspace) const {
  std::vector<std::int64_t> ids;
  std::vector<void*> data;
  const auto add = [&](TensorId id, void* pointer) {
    if (pointer == nullptr) return;
    ids.push_back(id);
    data.push_back(pointer);
  };
  add(kQ, pointers.q);
  add(kK, pointers.k);
  add(kV, pointers.v);
  add(kO, pointers.o);
  add(kLse, pointers.lse);
  add(kScale, pointers.scale);
  add(kDo, pointers.d_o);
  add(kDq, pointers.dq);
  add(kDk, pointers.dk);
  add(kDv, pointers.dv);
  BackendDescriptor pack(*api_, kVariantPack);
  pack.integers(kPackIds, ids);
  pack.set(kPackPointers, kPointerType, data.size(), data.data());
  pack.value(kPackWorkspace, kPointerType, workspace);
  pack.finalize("tensors of a call");
  api_->check(api_->execute(handle, plan_.get(), pack.get()), "attention");
}

}  // namespace lvx::cudnn
