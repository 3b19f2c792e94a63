// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.lvxattn.cli.DoctorReport.Item;
import org.lvxattn.cli.DoctorReport.Status;

class DoctorCommandTest {
  @Test
  void thisMachineCanCompute() {
    Lvx lvx = Lvx.run("doctor", "--json");
    assertThat(lvx.code()).as(lvx.out()).isZero();
    assertThat(lvx.json()).containsEntry("ok", true);
    assertThat(lvx.objects("items"))
        .extracting(item -> item.get("name"))
        .contains(
            "java",
            "native-access",
            "native-library",
            "cache",
            "cpu",
            "cuda",
            "cudnn",
            "cmake",
            "nccl");
    assertThat(lvx.objects("items"))
        .allSatisfy(
            item -> assertThat(item).containsOnlyKeys("name", "status", "detail", "remedy"));
  }

  @Test
  void whatIsMissingComesWithARemedy() {
    DoctorReport report =
        new DoctorReport(
            List.of(
                Item.ok("java", "25"),
                new Item("nvcc", Status.ABSENT, "not on the PATH", "install it"),
                new Item("native-library", Status.FAILED, "not found", "build it")));
    assertThat(report.ok()).isFalse();
    assertThat(report.toText()).contains("-> build it").contains("not ready");
    assertThat(new DoctorReport(report.items().subList(0, 2)).ok()).isTrue();
  }
}
