// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.Arrays;
import java.util.stream.Collectors;

/** The model families whose layers there are. */
public enum Family {
  LLAMA3V("llama3v"),
  OPENFLAMINGO("openflamingo"),
  /** In its gated form. */
  MPLUG_OWL3("mplug-owl3");

  private final String familyName;

  Family(String familyName) {
    this.familyName = familyName;
  }

  /**
   * The family of that name.
   *
   * @throws IllegalArgumentException naming those there are
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
