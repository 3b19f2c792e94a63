// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/kernel/bias_gradient.h"
#include "device/cuda/kernel/bias_max.h"
#include "device/cuda/kernel/scalar_backward.h"
#include "device/cuda/kernel/scalar_forward.h"
#include "device/cuda/launch/launch.h"

namespace lvx::cuda {

template void launch<BiasMax<float>>(const Queue&, std::int64_t, const BiasMaxParams&);
template void launch<BiasMax<double>>(const Queue&, std::int64_t, const BiasMaxParams&);
template void launch<ScalarForward<float>>(const Queue&, std::int64_t, const ForwardParams&);
template void launch<ScalarForward<double>>(const Queue&, std::int64_t, const ForwardParams&);
template void launch<ScalarBackwardQueries<float>>(const Queue&, std::int64_t, const BackwardParams&);
template void launch<ScalarBackwardQueries<double>>(const Queue&, std::int64_t, const BackwardParams&);
template void launch<ScalarBackwardKeys<float>>(const Queue&, std::int64_t, const BackwardParams&);
template void launch<ScalarBackwardKeys<double>>(const Queue&, std::int64_t, const BackwardParams&);
template void launch<BiasGradient<float>>(const Queue&, std::int64_t, const BiasGradientParams&);
template void launch<BiasGradient<double>>(const Queue&, std::int64_t, const BiasGradientParams&);

}  // namespace lvx::cuda
