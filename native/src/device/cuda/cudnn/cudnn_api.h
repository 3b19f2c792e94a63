// SPDX-License-Identifier: Apache-2.0
// The part of cuDNN's backend graph API (9.17 and later) that this library uses. It is redeclared here, so that the build
// needs neither cuDNN's headers nor its library. Tests compare these declarations with the real header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace lvx::cudnn {

// The thousands digit is the class of the error.
enum Status : int {
  kSuccess = 0,
  kNotInitialized = 1001,
  kBadParameter = 2000,
  kNotSupported = 3000,
  kInternalError = 4000,
  kHostAllocationFailed = 4003,
  kDeviceAllocationFailed = 4004,
  kExecutionFailed = 5000
};

enum DescriptorType : int {
  kEngine = 2,
  kEngineConfig = 3,
  kEngineHeuristics = 4,
  kExecutionPlan = 5,
  kKnobChoice = 7,
  kKnobInfo = 8,
  kOperationGraph = 15,
  kVariantPack = 16,
  kTensor = 17,
  kDeviceProperties = 38,
  kSdpaForward = 41,
  kSdpaBackward = 43
};

enum AttributeName : int {
  kHeuristicsMode = 200,
  kHeuristicsGraph = 201,
  kHeuristicsResults = 202,
  kHeuristicsDevice = 204,
  kConfigEngine = 300,
  kConfigKnobs = 302,
  kPlanHandle = 400,
  kPlanConfig = 401,
  kPlanWorkspaceSize = 402,
  kPlanDevice = 407,
  kChoiceType = 600,
  kChoiceValue = 601,
  kGraphHandle = 800,
  kGraphOperations = 801,
  kGraphEngines = 802,
  kTensorAlignment = 900,
  kTensorDataType = 901,
  kTensorDimensions = 902,
  kTensorStrides = 903,
  kTensorId = 906,
  kTensorByValue = 908,
  kPackIds = 1000,
  kPackPointers = 1001,
  kPackWorkspace = 1003,
  kKnobType = 1200,
  kKnobMaximum = 1201,
  kKnobMinimum = 1202,
  kEngineGraph = 1300,
  kEngineIndex = 1301,
  kEngineKnobs = 1302,
  kEngineDevice = 1307,
  kDeviceJson = 2702,
  kForwardQ = 2800,
  kForwardK = 2801,
  kForwardV = 2802,
  kForwardO = 2803,
  kForwardStatistics = 2804,
  kForwardScale = 2805,
  kBackwardQ = 2851,
  kBackwardK = 2852,
  kBackwardV = 2853,
  kBackwardO = 2854,
  kBackwardStatistics = 2855,
  kBackwardScale = 2856,
  kBackwardDq = 2859,
  kBackwardDk = 2860,
  kBackwardDv = 2861,
  kBackwardDo = 2862
};

enum AttributeType : int {
  kHandleType = 0,
  kDataTypeType = 1,
  kBooleanType = 2,
  kInt64Type = 3,
  kPointerType = 6,
  kHeuristicsModeType = 8,
  kKnobTypeType = 9,
  kDescriptorType = 15,
  kCharType = 24
};

enum DataType : int { kFloat = 0, kHalf = 2, kBFloat16 = 9 };
enum HeuristicsModes : int { kModeA = 3 };
enum Knobs : int { kKernelConfig = 24, kKnobs = 46 };

inline constexpr std::size_t kOldestVersion = 91700;

using Handle = struct cudnnContext*;
using Descriptor = void*;
using Stream = void*;  // a cudaStream_t

struct Api {
  std::size_t (*get_version)();
  const char* (*get_error_string)(Status status);
  void (*get_last_error_string)(char* message, std::size_t size);
  Status (*create)(Handle* handle);
  Status (*destroy)(Handle handle);
  Status (*set_stream)(Handle handle, Stream stream);
  Status (*create_descriptor)(DescriptorType type, Descriptor* descriptor);
  Status (*destroy_descriptor)(Descriptor descriptor);
  Status (*set_attribute)(Descriptor descriptor, AttributeName name, AttributeType type, std::int64_t count,
                          const void* elements);
  Status (*get_attribute)(Descriptor descriptor, AttributeName name, AttributeType type,
                          std::int64_t requested, std::int64_t* count, void* elements);
  Status (*finalize)(Descriptor descriptor);
  Status (*execute)(Handle handle, Descriptor plan, Descriptor pack);

  // "9.24.0"
  std::string version_text() const;
  // Throws Error unless the status is success. The message has what was attempted and cuDNN's message. The class of the error
  // determines the status: LVX_UNSUPPORTED, LVX_OUT_OF_MEMORY, LVX_MISSING_LIBRARY, LVX_DEVICE_ERROR or LVX_INTERNAL.
  void check(Status status, const char* what) const;
};

// Loads cuDNN once: the file that LVX_CUDNN_LIBRARY names, else libcudnn.so.9 from the system or the CUDA toolkit.
// Throws Error(LVX_MISSING_LIBRARY) that names what is missing and how to install it.
const Api& loaded_api();

}  // namespace lvx::cudnn
