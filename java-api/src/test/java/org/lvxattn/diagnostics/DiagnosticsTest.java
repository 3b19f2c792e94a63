// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.diagnostics;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.lvxattn.diagnostics.DiagnosticReport.Item;
import org.lvxattn.diagnostics.DiagnosticReport.Status;

class DiagnosticsTest {
  @Test
  void thisMachineCanCompute() {
    DiagnosticReport report = Diagnostics.report();
    assertThat(report.ok()).as(report.toString()).isTrue();
    assertThat(report.items())
        .extracting(Item::name)
        .containsExactly(
            "java",
            "native-access",
            "native-library",
            "cache",
            "cpu",
            "cuda",
            "cudnn",
            "gloo",
            "mpi",
            "nccl");
    assertThat(report.toString()).contains("ready").doesNotContain("not ready");
  }

  @Test
  void whatIsMissingComesWithARemedy() {
    DiagnosticReport report =
        new DiagnosticReport(
            List.of(
                Item.ok("java", "25"),
                new Item("nvcc", Status.ABSENT, "not on the PATH", "install it"),
                new Item("native-library", Status.FAILED, "not found", "build it")));
    assertThat(report.ok()).isFalse();
    assertThat(report.toString()).contains("-> build it").contains("not ready");
    assertThat(new DiagnosticReport(report.items().subList(0, 2)).ok()).isTrue();
  }
}
