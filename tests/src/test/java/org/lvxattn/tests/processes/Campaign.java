// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

/** How much of a random campaign a run executes: all of it with {@code -Dlvxattn.long=true}. */
final class Campaign {
  private Campaign() {}

  static int size(int whole) {
    return Boolean.getBoolean("lvxattn.long") ? whole : (whole + 19) / 20;
  }
}
