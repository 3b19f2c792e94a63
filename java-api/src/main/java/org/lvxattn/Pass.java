// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** Which pass is computed. */
public enum Pass {
  /** Output and log-sum-exp. */
  FORWARD,
  /** Gradients, from the final output and log-sum-exp. */
  BACKWARD,
  /** Forward, then backward. */
  BOTH
}
