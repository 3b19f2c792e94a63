// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench;

/** Shapes for all kernel measurements: published models' attention, and unusual shapes. */
public enum NamedShape {
  /** Llama 3-V: one frame of four tiles, grouped heads. */
  LLAMA3V("llama3v", "1,128,6404,32,8,128"),
  /** mPLUG-Owl3-7B: eight frames, its key heads expanded. */
  OWL3_7B("owl3-7b", "1,128,5832,28,28,128"),
  /** OpenFlamingo: 128 frames, few and narrow heads. */
  FLAMINGO("flamingo", "1,256,8192,8,8,64"),
  /** Llama 3-V: one query over four frames. */
  DECODE("decode", "1,1,25616,32,8,128"),
  /** Few queries and keys. */
  SHORT("short", "1,16,512,32,8,128"),
  /** Lengths that are not multiples of any tile size. */
  ODD("odd", "1,61,1601,14,2,72");

  private final String word;
  private final String numbers;

  NamedShape(String word, String numbers) {
    this.word = word;
    this.numbers = numbers;
  }

  /** The shape with the given name. */
  public static NamedShape named(String word) {
    for (NamedShape shape : values()) {
      if (shape.word.equals(word)) {
        return shape;
      }
    }
    throw new IllegalArgumentException("'" + word + "' is no shape");
  }

  public String word() {
    return word;
  }

  public Sizes sizes() {
    return Sizes.parse(numbers);
  }

  /** Whether it has a single query; such shapes have no backward. */
  public boolean isDecode() {
    return sizes().queries() == 1;
  }
}
