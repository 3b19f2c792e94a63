// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.layer;

/** The layout of the weights of a {@link KeyValueProjection}. */
public enum KeyValueLayout {
  /** One weight for keys and one for values, each ordered by head. */
  SEPARATE,
  /** One weight: the keys of all heads, then the values of all heads (OpenFlamingo). */
  CONCATENATED,
  /** One weight: keys and values of the first head, then of the second, ... (mPLUG-Owl3). */
  INTERLEAVED
}
