// SPDX-License-Identifier: Apache-2.0
// Declarations of the kernels, for code that launches them without including their definitions.
#pragma once

#include <cstdint>

#include "attention/half.h"
#include "device/cuda/kernel/params.h"

namespace lvx::cuda {

template <typename T, int kDim, bool kDecode>
class Forward;
template <typename T, int kDim>
class BackwardQueries;
template <typename T, int kDim>
class BackwardKeys;

template <typename T>
class ScalarForward;
template <typename T>
class ScalarBackwardQueries;
template <typename T>
class ScalarBackwardKeys;
template <typename T>
class BiasGradient;
template <typename T>
class BiasMax;

class ListTiles;
template <typename Part>
class CombineSplits;
class SumSplits;
class Merge;
template <typename T>
class Delta;
class OutputOfDelta;
template <typename T>
class Copy;
class CopyRanges;

template <typename T, int kWarps>
class NormForward;
template <typename T, int kWarps>
class NormStatistics;
template <typename T, int kWarps>
class NormBackward;
template <typename T>
class Rotary;
template <typename T>
class SwigluForward;
template <typename T>
class SwigluBackward;
template <typename T>
class GeluForward;
template <typename T>
class GeluBackward;
template <typename T>
class GatedAddForward;
template <typename T>
class GatedAddBackward;
template <typename T>
class BlendForward;
template <typename T>
class BlendBackward;
template <typename T>
class ClearRows;
template <typename T, typename Term>
class ColumnSums;
class AddColumnSums;
class AddTotal;

// The stream on which kernels are launched.
struct Queue {
  void* stream = nullptr;  // a cudaStream_t
};

// Launches a kernel with that many blocks; does nothing for 0 blocks. Defined in launch.h for the instantiated kernels.
template <typename Kernel, typename Params>
void launch(const Queue& queue, std::int64_t blocks, const Params& params);

}  // namespace lvx::cuda
