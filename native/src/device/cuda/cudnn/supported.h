// SPDX-License-Identifier: Apache-2.0
// Which problems cuDNN's attention supports, as far as is known before planning.
#pragma once

#include "device/attention_backend.h"

namespace lvx::cudnn {

// Why cuDNN cannot take it on a GPU of this compute capability (the number before the point); empty where it can.
std::string why_not(const AttentionRequest& request, int compute_major);

}  // namespace lvx::cudnn
