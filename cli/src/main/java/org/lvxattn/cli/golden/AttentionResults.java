// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import org.jspecify.annotations.Nullable;

/** Results of a whole attention: o, dq, dk, dv as [B, H, S, D], lse and delta as [B, H, S]. */
record AttentionResults(
    double[] o,
    double[] lse,
    double[] dq,
    double[] dk,
    double[] dv,
    double[] delta,
    double @Nullable [] dbias) {}
