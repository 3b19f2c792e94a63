// SPDX-License-Identifier: Apache-2.0
// Which problems cuDNN's attention takes, as far as that can be known before it is asked for a plan.
#pragma once

#include "device/engines.h"

namespace lvx::cudnn {

// Why cuDNN cannot take it on a GPU of this compute capability (the number before the point); empty where it can.
std::string why_not(const AttentionRequest& request, int compute_major);

}  // namespace lvx::cudnn
