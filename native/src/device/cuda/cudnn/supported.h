// SPDX-License-Identifier: Apache-2.0
// Which problems cuDNN's attention supports, as far as can be known before planning.
#pragma once

#include "device/attention_backend.h"

namespace lvx::cudnn {

// Why cuDNN does not support the request on a GPU of this major compute capability; empty if it does.
std::string why_not(const AttentionRequest& request, int compute_major);

}  // namespace lvx::cudnn
