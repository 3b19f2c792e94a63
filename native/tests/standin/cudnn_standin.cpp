// SPDX-License-Identifier: Apache-2.0
// liblvx_cudnn_standin.so: the functions of cuDNN's backend API that this library uses, on host memory. For tests only.
//
// It validates arguments as cuDNN does, and behaves like cuDNN 9.24 on a GPU of compute capability 10.0: heuristics offer an
// engine for forward and none for backward. For backward, one engine accepts one of several kernels.
#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>

#include "standin/fault.h"
#include "standin/sdpa.h"

#define STANDIN_API extern "C" __attribute__((visibility("default")))

using namespace lvx::cudnn;
using lvx::test::BackendObject;
using lvx::test::Fault;
using lvx::test::Pointers;
using lvx::test::Refusal;
using lvx::test::Sdpa;

namespace {

// The state of a handle.
struct Context {
  Stream stream = nullptr;
};

constexpr std::int64_t kEngines = 3;
constexpr std::int64_t kForwardEngine = 1;
constexpr std::int64_t kBackwardEngine = 2;
constexpr std::int64_t kKernels = 5;
constexpr std::int64_t kBackwardKernel = 3;
constexpr std::int64_t kWorkspaceBytes = 1000;

using Shared = std::shared_ptr<BackendObject>;

thread_local std::string last_error;
std::atomic<int> live_handles{0};
std::atomic<int> plans{0};
std::atomic<int> executions{0};

Shared& of(Descriptor descriptor) { return *static_cast<Shared*>(descriptor); }

bool strikes(const char* call) { return Fault::instance().strikes(call, 0); }

Status answer(const char* call, const std::function<void()>& work) {
  try {
    if (strikes(call)) throw Refusal{static_cast<Status>(Fault::instance().result()), "injected"};
    work();
    return kSuccess;
  } catch (const Refusal& refusal) {
    last_error = refusal.reason;
    return refusal.status;
  }
}

void require(bool holds, Status status, const char* what) {
  if (!holds) throw Refusal{status, what};
}

const BackendObject& operation_of(const BackendObject& graph) {
  const auto type = graph.has(kGraphOperations) ? kOperationGraph : kTensor;
  require(graph.type() == type, kBadParameter, "a graph without an operation");
  try {
    return graph.child(kGraphOperations, kSdpaForward);
  } catch (const Refusal&) {
    return graph.child(kGraphOperations, kSdpaBackward);
  }
}

const BackendObject& graph_of(const BackendObject& config) {
  return config.child(kConfigEngine, kEngine).child(kEngineGraph, kOperationGraph);
}

void finalize_tensor(const BackendObject& tensor) {
  tensor.value<int>(kTensorDataType, kDataTypeType);
  const std::size_t dimensions = tensor.integers(kTensorDimensions).size();
  require(dimensions == tensor.integers(kTensorStrides).size(), kBadParameter, "extents without strides");
  require(tensor.integers(kTensorId).size() == 1, kBadParameter, "a tensor without an id");
  require(tensor.integers(kTensorAlignment).at(0) == 16, kBadParameter, "a tensor without an alignment");
}

void finalize_engine(const BackendObject& engine) {
  const Sdpa sdpa(operation_of(engine.child(kEngineGraph, kOperationGraph)));
  const std::int64_t index = engine.integers(kEngineIndex).at(0);
  require(index == (sdpa.backward() ? kBackwardEngine : kForwardEngine), kNotSupported, "another engine");
}

void finalize_config(const BackendObject& config) {
  require(!strikes("no engine"), kNotSupported, "nothing for this problem");
  const Sdpa sdpa(operation_of(graph_of(config)));
  const BackendObject& knob = config.child(kConfigKnobs, kKnobChoice);
  require(knob.value<int>(kChoiceType, kKnobTypeType) == kKernelConfig, kNotSupported, "a knob is not set");
  require(!sdpa.backward() || knob.integers(kChoiceValue).at(0) == kBackwardKernel, kNotSupported,
          "another kernel");
}

void finalize(BackendObject& object) {
  switch (object.type()) {
    case kTensor:
      return finalize_tensor(object);
    case kSdpaForward:
    case kSdpaBackward: {
      const Sdpa checked(object);
      return;
    }
    case kOperationGraph:
      operation_of(object);
      require(object.has(kGraphHandle), kBadParameter, "a graph without a handle");
      return;
    case kEngineHeuristics: {
      require(object.value<int>(kHeuristicsMode, kHeuristicsModeType) == kModeA, kBadParameter,
              "another mode");
      const Sdpa sdpa(operation_of(object.child(kHeuristicsGraph, kOperationGraph)));
      return;
    }
    case kEngine:
      return finalize_engine(object);
    case kKnobChoice:
      object.integers(kChoiceValue);
      return;
    case kEngineConfig:
      return finalize_config(object);
    case kExecutionPlan:
      graph_of(object.child(kPlanConfig, kEngineConfig));
      require(object.has(kPlanHandle), kBadParameter, "a plan without a handle");
      ++plans;
      return;
    case kVariantPack:
      require(object.integers(kPackIds).size() == object.values<void*>(kPackPointers, kPointerType).size(),
              kBadParameter, "ids without pointers");
      return;
    default:
      throw Refusal{kNotSupported, "another descriptor"};
  }
}

std::shared_ptr<const BackendObject> shared_child(BackendObject made) {
  made.make_final();
  return std::make_shared<const BackendObject>(std::move(made));
}

// The results of the heuristics: one configuration for forward.
std::int64_t results_of(const BackendObject& heuristics, std::int64_t room, Descriptor* into) {
  const BackendObject& graph = heuristics.child(kHeuristicsGraph, kOperationGraph);
  if (Sdpa(operation_of(graph)).backward() || room < 1) return 0;
  BackendObject engine(kEngine);
  engine.set_children(kEngineGraph, {shared_child(graph)});
  BackendObject config(kEngineConfig);
  config.set_children(kConfigEngine, {shared_child(engine)});
  if (strikes("no engine")) return 0;
  config.make_final();
  *of(into[0]) = config;
  return 1;
}

std::int64_t knobs_of(std::int64_t room, Descriptor* into) {
  if (room < 1) return 0;
  BackendObject knob(kKnobInfo);
  const int type = kKernelConfig;
  const std::int64_t least = 0;
  const std::int64_t most = kKernels - 1;
  knob.set(kKnobType, kKnobTypeType, 1, &type);
  knob.set(kKnobMinimum, kInt64Type, 1, &least);
  knob.set(kKnobMaximum, kInt64Type, 1, &most);
  knob.make_final();
  *of(into[0]) = knob;
  return 1;
}

}  // namespace

STANDIN_API void lvx_cudnn_standin_fault(const char* fault) { Fault::instance().set(fault); }
// The numbers of descriptors and handles that exist, and of plans and executions so far.
STANDIN_API int lvx_cudnn_standin_live() { return BackendObject::live() + live_handles; }
STANDIN_API int lvx_cudnn_standin_plans() { return plans; }
STANDIN_API int lvx_cudnn_standin_executions() { return executions; }

// The environment can set an old version.
STANDIN_API std::size_t cudnnGetVersion() {
  const char* version = std::getenv("LVX_CUDNN_STANDIN_VERSION");
  return version == nullptr ? 92400 : std::strtoul(version, nullptr, 10);
}

STANDIN_API const char* cudnnGetErrorString(Status status) {
  return status == kSuccess ? "CUDNN_STATUS_SUCCESS" : "CUDNN_STATUS of the stand-in";
}

STANDIN_API void cudnnGetLastErrorString(char* message, std::size_t size) {
  std::strncpy(message, last_error.c_str(), size);
}

STANDIN_API Status cudnnCreate(Handle* handle) {
  return answer("cudnnCreate", [&] {
    *handle = reinterpret_cast<Handle>(new Context);
    ++live_handles;
  });
}

STANDIN_API Status cudnnDestroy(Handle handle) {
  delete reinterpret_cast<Context*>(handle);
  --live_handles;
  return kSuccess;
}

STANDIN_API Status cudnnSetStream(Handle handle, Stream stream) {
  reinterpret_cast<Context*>(handle)->stream = stream;
  return kSuccess;
}

STANDIN_API Status cudnnBackendCreateDescriptor(DescriptorType type, Descriptor* descriptor) {
  *descriptor = new Shared(std::make_shared<BackendObject>(type));
  return kSuccess;
}

STANDIN_API Status cudnnBackendDestroyDescriptor(Descriptor descriptor) {
  delete &of(descriptor);
  return kSuccess;
}

STANDIN_API Status cudnnBackendSetAttribute(Descriptor descriptor, AttributeName name, AttributeType type,
                                            std::int64_t count, const void* elements) {
  return answer("cudnnBackendSetAttribute", [&] {
    if (type != kDescriptorType) return of(descriptor)->set(name, type, count, elements);
    std::vector<std::shared_ptr<const BackendObject>> children;
    for (std::int64_t i = 0; i < count; ++i)
      children.push_back(of(static_cast<const Descriptor*>(elements)[i]));
    of(descriptor)->set_children(name, std::move(children));
  });
}

STANDIN_API Status cudnnBackendGetAttribute(Descriptor descriptor, AttributeName name, AttributeType type,
                                            std::int64_t requested, std::int64_t* count, void* elements) {
  return answer("cudnnBackendGetAttribute", [&] {
    const BackendObject& object = *of(descriptor);
    require(object.is_final(), kBadParameter, "asked before finalize");
    const auto give = [&](std::int64_t value) {
      require(type == kInt64Type, kBadParameter, "another type");
      std::memcpy(elements, &value, sizeof(value));
      *count = 1;
    };
    switch (name) {
      case kHeuristicsResults:
        *count = results_of(object, requested, static_cast<Descriptor*>(elements));
        return;
      case kEngineKnobs:
        *count = knobs_of(requested, static_cast<Descriptor*>(elements));
        return;
      case kGraphEngines:
        return give(kEngines);
      case kPlanWorkspaceSize:
        return give(kWorkspaceBytes);
      case kKnobMinimum:
      case kKnobMaximum:
        return give(object.integers(name).at(0));
      case kKnobType: {
        const int value = object.value<int>(name, type);
        std::memcpy(elements, &value, sizeof(value));
        *count = 1;
        return;
      }
      default:
        throw Refusal{kBadParameter, "another attribute"};
    }
  });
}

STANDIN_API Status cudnnBackendFinalize(Descriptor descriptor) {
  return answer("cudnnBackendFinalize", [&] {
    finalize(*of(descriptor));
    of(descriptor)->make_final();
  });
}

STANDIN_API Status cudnnBackendExecute(Handle handle, Descriptor plan, Descriptor pack) {
  return answer("cudnnBackendExecute", [&] {
    require(handle != nullptr && of(plan)->is_final() && of(pack)->is_final(), kBadParameter,
            "not finalised");
    const auto ids = of(pack)->integers(kPackIds);
    const auto data = of(pack)->values<void*>(kPackPointers, kPointerType);
    Pointers pointers;
    for (std::size_t i = 0; i < ids.size(); ++i) pointers[ids[i]] = data[i];
    auto* workspace = of(pack)->value<void*>(kPackWorkspace, kPointerType);
    std::memset(workspace, 0xff, static_cast<std::size_t>(kWorkspaceBytes));
    Sdpa(operation_of(graph_of(of(plan)->child(kPlanConfig, kEngineConfig)))).run(pointers);
    ++executions;
  });
}
