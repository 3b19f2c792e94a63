// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.lvxattn.bindings.generated.Lvx;

/** How the weights of a {@link KeyValueProjection} lie. */
public enum KeyValueLayout {
  /** One weight for keys and one for values, each head after head. */
  SEPARATE(Lvx.LVX_KEY_VALUE_SEPARATE()),
  /** One weight: the keys of all heads, then the values of all heads (OpenFlamingo). */
  CONCATENATED(Lvx.LVX_KEY_VALUE_CONCATENATED()),
  /** One weight: keys and values of the first head, then of the second, ... (mPLUG-Owl3). */
  INTERLEAVED(Lvx.LVX_KEY_VALUE_INTERLEAVED());

  private final int code;

  KeyValueLayout(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
