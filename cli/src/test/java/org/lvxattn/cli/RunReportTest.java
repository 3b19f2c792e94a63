// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.cli.workload.LocalRun;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Split;

class RunReportTest {
  private static RunReport report(Map<String, Double> errors) {
    return new RunReport(
        "none",
        null,
        new AttentionShape(1, 2, 3, 1, 1, 8),
        Strategy.QUERY_RING,
        "local",
        "cpu",
        DType.FLOAT32,
        true,
        Split.even(3, 2),
        new LocalRun.Outcome(1, List.of(), null),
        errors);
  }

  @Test
  void errorsBeyondTheBoundFail() {
    assertThat(report(Map.of("o", 4e-6)).passed()).isTrue();
    assertThat(report(Map.of("o", 6e-6)).passed()).isFalse();
    assertThat(report(Map.of("o", Double.NaN)).passed()).isFalse();
    assertThat(report(Map.of("o", Double.NaN)).toText()).contains("NaN").contains("WRONG");
  }

  @Test
  void nothingCheckedIsNothingWrong() {
    assertThat(report(Map.of()).passed()).isTrue();
    assertThat(report(Map.of()).toText()).contains("Not checked").doesNotContain("exact\n");
  }
}
