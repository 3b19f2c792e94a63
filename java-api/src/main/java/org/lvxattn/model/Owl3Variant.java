// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

/** The two operators of mPLUG-Owl3's hyper attention. */
public enum Owl3Variant {
  /**
   * Attention to text and to images apart, blended by a gate (releases 240728 and 241014). A row
   * sees the images whose tokens lie before it; their keys are rotated at the next position.
   */
  GATED,
  /**
   * One softmax over images and text (release 241101). A row sees the images whose tokens lie at or
   * before it; their keys are rotated at the token's position.
   */
  FUSED;

  /** Whether the text row at a position sees an image. */
  boolean sees(long row, int imagePosition) {
    return this == GATED ? row > imagePosition : row >= imagePosition;
  }

  /** Where the keys of an image are rotated. */
  int keyPosition(int imagePosition) {
    return this == GATED ? imagePosition + 1 : imagePosition;
  }
}
