// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

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

  /** An interrupt that ended a wait within a second and is still known to its thread. */
  static void interrupted(String line) {
    Matcher told =
        Pattern.compile("INTERRUPTED true after (\\d+) ms: interrupted while it waited for rank .*")
            .matcher(line);
    assertThat(told.matches()).as(line).isTrue();
    assertThat(Integer.parseInt(told.group(1))).as(line).isLessThan(1000);
  }
}
