// SPDX-License-Identifier: Apache-2.0
// How a branch joins the stream it branched off, and what is done to whole rows.
#pragma once

#include "device/cpu/workers.h"
#include "device/layers.h"

namespace lvx::cpu {

void gated_add_forward(Workers& workers, const Rows& x, const Rows& branch, const Parameter& gate,
                       const RowIntegers& live, const Rows& y);
void gated_add_backward(Workers& workers, const Rows& branch, const Parameter& gate, const RowIntegers& live,
                        const Rows& dy, const Rows& dbranch, const Parameter& dgate);
void blend_forward(Workers& workers, const Rows& a, const Rows& b, const Parameter& gate,
                   const RowIntegers& live, const Rows& y);
void blend_backward(Workers& workers, const Rows& a, const Rows& b, const Parameter& gate,
                    const RowIntegers& live, const Rows& dy, const Rows& da, const Rows& db,
                    const Parameter& dgate);
void add(Workers& workers, const Rows& x, const Rows& y);
void clear_rows(Workers& workers, const RowIntegers& live, const Rows& x);

}  // namespace lvx::cpu
