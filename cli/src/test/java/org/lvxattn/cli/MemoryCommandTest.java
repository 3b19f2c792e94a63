// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class MemoryCommandTest {
  private static final long GIBIBYTE = 1L << 30;

  @Test
  void everyModelHasARow() {
    Lvx lvx = Lvx.run("memory", "--json");
    assertThat(lvx.code()).as(lvx.err()).isZero();
    List<Map<String, Object>> rows = lvx.objects("rows").stream().map(Map::copyOf).toList();
    assertThat(rows).hasSize(7);
    for (Map<String, ?> row : rows) {
      Map<String, Long> peak = byPolicy(row, "peakBytes");
      assertThat(at(peak, "KEEP")).isGreaterThan(at(peak, "RECOMPUTE"));
      assertThat(at(peak, "RECOMPUTE")).isGreaterThan(at(peak, "RECOMPUTE_TILED"));
      assertThat((double) Objects.requireNonNull(row.get("keepOverTiled")))
          .isEqualTo((double) at(peak, "KEEP") / at(peak, "RECOMPUTE_TILED"));
      Map<String, Long> frames = byPolicy(row, "framesThatFit");
      assertThat(at(frames, "KEEP")).isPositive().isLessThan(at(frames, "RECOMPUTE_TILED"));
    }
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Long> byPolicy(Map<String, ?> row, String name) {
    return (Map<String, Long>) Objects.requireNonNull(row.get(name));
  }

  private static long at(Map<String, Long> values, String policy) {
    return Objects.requireNonNull(values.get(policy));
  }

  /** 8 layers of 2 x 8 heads of 128 of 1601 x 4 tokens a frame in bfloat16, and the features. */
  @Test
  void keepingCostsTheKeysAndValuesOfAllLayers() {
    Lvx lvx = Lvx.run("memory --model llama3v-11b --frames 160 --json".split(" "));
    Map<String, Long> peak = byPolicy(lvx.objects("rows").getFirst(), "peakBytes");
    long rows = 160 * 6404 / 16;
    long kept = 8 * rows * 2 * 1024 * 2;
    // In addition, backward of a whole shard has one layer's normalised keys, the gradients of keys
    // and values, and float32 copies of these while they are summed.
    assertThat(at(peak, "KEEP") - at(peak, "RECOMPUTE_TILED"))
        .isBetween(kept, kept + rows * 1024 * (2 + 2 * 2 + 2 * 4));
    long features = rows * 4096 * (2 + 4);
    assertThat(at(peak, "RECOMPUTE_TILED")).isBetween(features, features + GIBIBYTE);
  }

  @Test
  void theFramesThatFitAreTheMost() {
    String words = "memory --model openflamingo-9b --ranks 4 --fit 0.5 --json";
    Lvx lvx = Lvx.run(words.split(" "));
    byPolicy(lvx.objects("rows").getFirst(), "framesThatFit")
        .forEach(
            (policy, frames) -> {
              assertThat(peakOf(words, frames, policy)).isLessThanOrEqualTo(GIBIBYTE / 2);
              assertThat(peakOf(words, frames + 1, policy)).isGreaterThan(GIBIBYTE / 2);
            });
  }

  private static long peakOf(String words, long frames, String policy) {
    Lvx lvx = Lvx.run((words + " --frames " + frames).split(" "));
    return at(byPolicy(lvx.objects("rows").getFirst(), "peakBytes"), policy);
  }

  @Test
  void peopleGetTwoTables() {
    Lvx lvx = Lvx.run("memory");
    assertThat(lvx.code()).isZero();
    assertThat(lvx.out())
        .contains("1,200 frames, 2,048 text tokens, 16 ranks, bfloat16")
        .contains("KEEP : TILED")
        .contains("mplug-owl3-7b")
        .contains("Frames that fit into 40.0 GiB per rank");
  }
}
