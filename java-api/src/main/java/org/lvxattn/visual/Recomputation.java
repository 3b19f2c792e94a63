// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import org.lvxattn.Statistics;

/**
 * How a {@link VisualCheckpoint} obtains keys and values. An error before the collective call
 * declines it, so that the peers learn of it.
 */
interface Recomputation {
  /** The lvx_operation of forward. */
  int forwardOperation();

  /** The lvx_operation of backward. */
  int backwardOperation();

  /** Fills output, log-sum-exp and statistics. */
  void forward(VisualForward call);

  /** Fills dq, dBias and statistics; accumulates the other gradients. */
  void backward(VisualBackward call, Statistics statistics);
}
