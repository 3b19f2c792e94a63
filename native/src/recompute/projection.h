// SPDX-License-Identifier: Apache-2.0
// How a layer projects keys and values from visual features; already checked.
#pragma once

#include "device/layers.h"

namespace lvx {

// f = input_norm(features);  K = f Wk^T + bk;  V = f Wv^T + bv;  K = rotary(key_norm(K), positions)
struct Projection {
  std::int64_t width = 0;
  std::int64_t key_heads = 0;
  std::int64_t head_dim = 0;
  lvx_key_value_layout layout = LVX_KEY_VALUE_SEPARATE;
  Parameter weight, bias;              // of K; of K and V if the layout is not SEPARATE
  Parameter value_weight, value_bias;  // of V if the layout is SEPARATE
  Norm input_norm, key_norm;
  bool rotary = false;
  double theta = 0;
  RowIntegers positions;

  std::int64_t key_width() const { return key_heads * head_dim; }
  bool finishes_keys() const { return key_norm.kind != LVX_NORM_NONE || rotary; }
};

// Gradients that are accumulated. Each is optional.
struct ProjectionGradients {
  Parameter weight, bias, value_weight, value_bias, input_weight, input_bias, key_weight;
};

}  // namespace lvx
