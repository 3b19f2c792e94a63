// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PlanCommandTest {
  @TempDir private Path folder;

  @SuppressWarnings("unchecked")
  private static Map<String, Object> row(Lvx lvx, String strategy) {
    for (Object row : (List<Object>) requireNonNull(lvx.json().get("rows"))) {
      if (strategy.equals(((Map<String, Object>) row).get("strategy"))) {
        return (Map<String, Object>) row;
      }
    }
    throw new AssertionError("no row of " + strategy);
  }

  @Test
  void theRingsBytesAreThoseOfTheirFormulas() {
    Lvx lvx =
        Lvx.run(
            ("plan --shape 1,64,8000,4,2,16 --nodes 2 --ranks-per-node 4 --intra 100,1 --inter 10,5"
                    + " --tflops 1 --json")
                .split(" "));
    assertThat(lvx.code()).isZero();
    // q out, o and its log-sum-exp back, 7 times, of 8 queries; keys and values of 1000 keys.
    long block = 8 * 4 * 16 * 4;
    assertThat(row(lvx, "QUERY_RING"))
        .containsEntry("bytesPerRank", 7 * (2 * block + 8 * 4 * 4))
        .containsEntry("messagesPerRank", 14L)
        .containsEntry("status", "ok")
        .containsKeys("seconds", "exposedSeconds", "peakBytes");
    assertThat(row(lvx, "KV_RING"))
        .containsEntry("bytesPerRank", 7L * 2 * 1000 * 2 * 16 * 4)
        .containsEntry("interNodeBytesPerRank", 7L * 2 * 1000 * 2 * 16 * 4);
    assertThat(row(lvx, "HEAD_ALL_TO_ALL"))
        .containsEntry("status", "unsupported")
        .doesNotContainKey("seconds");
    assertThat(lvx.json().get("choice")).isIn("QUERY_RING", "QUERY_GATHER", "TWO_LEVEL");
  }

  @Test
  void peopleGetATable() {
    Lvx lvx = Lvx.run("plan", "--model", "llama3v-11b", "--frames", "100", "--backward");
    assertThat(lvx.code()).isZero();
    assertThat(lvx.out())
        .contains("640,400 keys, 16 ranks, 8 per node")
        .contains("KV_RING")
        .contains("Choice: ");
  }

  @Test
  void chartsAreDrawn() throws IOException {
    Path png = folder.resolve("plan.png");
    Path svg = folder.resolve("plan.svg");
    assertThat(Lvx.run("plan", "--chart", png.toString()).code()).isZero();
    assertThat(ImageIO.read(png.toFile()).getWidth()).isGreaterThan(100);
    assertThat(Lvx.run("plan", "--chart", svg.toString()).code()).isZero();
    assertThat(Files.readString(svg)).contains("<svg").endsWith("</svg>\n");
  }
}
