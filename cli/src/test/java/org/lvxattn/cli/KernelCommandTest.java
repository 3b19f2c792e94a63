// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KernelCommandTest {
  @ParameterizedTest
  @CsvSource({"forward, 1", "backward, 2.5", "decode, 1"})
  void printsTheAgreedKeys(String pass, double products) {
    String shape = pass.equals("decode") ? "1,1,64,4,2,16" : "1,8,64,4,2,16";
    Lvx lvx =
        Lvx.run(
            "kernel",
            "--shape",
            shape,
            "--pass",
            pass,
            "--repeat",
            "1",
            "--threads",
            "1",
            "--json");
    assertThat(lvx.code()).as(lvx.err()).isZero();
    assertThat(lvx.out().lines()).hasSize(1);
    assertThat(lvx.json())
        .containsKeys("shape", "pass", "dtype", "device", "threads", "medianSeconds", "gflops")
        .containsKeys("gigabytesPerSecond", "gemmGflops", "readGigabytesPerSecond")
        .containsEntry("pass", pass)
        .containsEntry("threads", 1L);
    double queries = pass.equals("decode") ? 1 : 8;
    double flops = products * 4 * 4 * queries * 64 * 16;
    double seconds = (double) lvx.member("medianSeconds");
    assertThat((double) lvx.member("gflops") * seconds * 1e9)
        .isBetween(0.999 * flops, 1.001 * flops);
    assertThat((double) lvx.member("gemmGflops")).isPositive();
    assertThat((double) lvx.member("readGigabytesPerSecond")).isPositive();
  }

  @Test
  void peopleSeeTheSharesReached() {
    Lvx lvx = Lvx.run("kernel", "--shape", "1,8,64,4,2,16", "--repeat", "1", "--threads", "1");
    assertThat(lvx.code()).isZero();
    assertThat(lvx.out()).contains("float32 matrix product").contains("share reached");
  }
}
