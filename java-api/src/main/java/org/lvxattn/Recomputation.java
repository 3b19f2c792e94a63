// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * How a {@link VisualCheckpoint} comes by keys and values. A mistake that is found before the
 * collective call declines it, so that the peers are told.
 */
interface Recomputation {
  /** What forward declines. */
  Operation forwardOperation();

  /** What backward declines. */
  Operation backwardOperation();

  /** Fills output, log-sum-exp and statistics. */
  void forward(VisualForward call);

  /** Fills dq, dBias and statistics; adds the other gradients. */
  void backward(VisualBackward call, Statistics statistics);
}
