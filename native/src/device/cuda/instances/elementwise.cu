// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/kernel/combine.h"
#include "device/cuda/kernel/elementwise.h"
#include "device/cuda/kernel/output_of_delta.h"
#include "device/cuda/kernel/tile_lists.h"
#include "device/cuda/launch/launch.h"

namespace lvx::cuda {

template void launch<ListTiles>(const Queue&, std::int64_t, const TileListParams&);
template void launch<CombineSplits<float>>(const Queue&, std::int64_t, const CombineParams&);
template void launch<CombineSplits<double>>(const Queue&, std::int64_t, const CombineParams&);
template void launch<SumSplits>(const Queue&, std::int64_t, const SumParams&);
template void launch<Merge>(const Queue&, std::int64_t, const MergeParams&);
template void launch<Delta<float>>(const Queue&, std::int64_t, const DeltaParams&);
template void launch<Delta<double>>(const Queue&, std::int64_t, const DeltaParams&);
template void launch<OutputOfDelta>(const Queue&, std::int64_t, const OutputOfDeltaParams&);
template void launch<Copy<float>>(const Queue&, std::int64_t, const CopyParams&);
template void launch<Copy<double>>(const Queue&, std::int64_t, const CopyParams&);
template void launch<CopyRanges>(const Queue&, std::int64_t, const CopyRangesParams&);

}  // namespace lvx::cuda
