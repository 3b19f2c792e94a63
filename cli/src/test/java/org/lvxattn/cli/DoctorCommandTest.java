// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

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
}
