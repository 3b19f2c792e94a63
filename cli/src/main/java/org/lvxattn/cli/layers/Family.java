// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.Arrays;
import java.util.stream.Collectors;

/** The model families with layers in this library. */
public enum Family {
  LLAMA3V("llama3v"),
  OPENFLAMINGO("openflamingo"),
  /** mPLUG-Owl3, gated. */
  MPLUG_OWL3("mplug-owl3");

  private final String familyName;

  Family(String familyName) {
    this.familyName = familyName;
  }

  /**
   * The family with the given name.
   *
   * @throws IllegalArgumentException that lists the families, if there is none with that name
   */
  public static Family named(String name) {
    for (Family family : values()) {
      if (family.familyName.equals(name)) {
        return family;
      }
    }
    throw new IllegalArgumentException(
        "unknown family '"
            + name
            + "', expected one of "
            + Arrays.stream(values()).map(Family::toString).collect(Collectors.joining(", ")));
  }

  @Override
  public String toString() {
    return familyName;
  }
}
