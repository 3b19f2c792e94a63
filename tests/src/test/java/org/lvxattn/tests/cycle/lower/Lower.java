// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.cycle.lower;

import org.lvxattn.tests.cycle.upper.Upper;

/** The other half of the package cycle. */
public final class Lower {
  private Lower() {}

  /** Points upwards. */
  public static Upper up() {
    return new Upper(new Lower());
  }
}
