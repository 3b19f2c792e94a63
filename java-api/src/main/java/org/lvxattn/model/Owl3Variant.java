// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

/** The two operators of mPLUG-Owl3's hyper attention. */
public enum Owl3Variant {
  /**
   * Separate attention to text and to images, blended by a gate (releases 240728 and 241014). A row
   * sees the images whose tokens are before it; the rotary position of their keys is the position
   * after the token.
   */
  GATED,
  /**
   * One softmax over images and text (release 241101). A row sees the images whose tokens are at or
   * before it; the rotary position of their keys is the token's position.
   */
  FUSED;

  /** Whether the text row at a position sees an image. */
  boolean sees(long row, int imagePosition) {
    return this == GATED ? row > imagePosition : row >= imagePosition;
  }

  /** Rotary position of the keys of an image. */
  int keyPosition(int imagePosition) {
    return this == GATED ? imagePosition + 1 : imagePosition;
  }
}
