// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import org.lvxattn.Statistics;

/**
 * How a {@link VisualCheckpoint} comes by keys and values. A mistake that is found before the
 * collective call declines it, so that the peers are told.
 */
interface Recomputation {
  /** The lvx_operation that forward makes. */
  int forwardOperation();

  /** The lvx_operation that backward makes. */
  int backwardOperation();

  /** Fills output, log-sum-exp and statistics. */
  void forward(VisualForward call);

  /** Fills dq, dBias and statistics; adds the other gradients. */
  void backward(VisualBackward call, Statistics statistics);
}
