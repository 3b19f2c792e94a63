// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;

/** Checks of the processes' output. */
final class Expectations {
  private static final double TOLERANCE = 1e-12;

  private Expectations() {}

  /** The given number of results, all of them exact, and a normal exit. */
  static void exact(List<String> lines, int results) {
    List<String> errors = lines.stream().filter(line -> line.startsWith("ERROR ")).toList();
    assertThat(errors).as(String.join("\n", lines)).hasSize(results);
    for (String line : errors) {
      double error = Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1));
      assertThat(error).as(line).isLessThanOrEqualTo(TOLERANCE);
    }
    assertThat(lines).contains("END");
  }
}
