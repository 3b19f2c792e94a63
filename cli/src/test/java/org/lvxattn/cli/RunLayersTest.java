// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RunLayersTest {
  private static final String SMALL =
      "run --model llama3v-11b --layers 2 --scale-width 0.03125 --text 8 --json ";

  private static Lvx run(String words) {
    return Lvx.run(words.split(" "));
  }

  private static long number(Map<String, ?> object, String name) {
    return (long) Objects.requireNonNull(object.get(name));
  }

  @Test
  void printsTheAgreedKeys() {
    Lvx lvx = run(SMALL + "--ranks 3 --backward --policy RECOMPUTE");
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    assertThat(lvx.json())
        .containsEntry("model", "llama3v-11b")
        .containsEntry("ranks", 3L)
        .containsEntry("group", "local")
        .containsEntry("device", "cpu")
        .containsEntry("dtype", "float32")
        .containsEntry("pass", "forward+backward")
        .containsEntry("layers", 2L)
        .containsEntry("policy", "RECOMPUTE")
        .containsEntry("scaleWidth", 0.03125)
        .containsEntry("hidden", 128L)
        .doesNotContainKey("maxError");
    assertThat(lvx.object("shape")).containsEntry("queries", 8L).containsEntry("keys", 6404L);
    assertThat((double) lvx.member("seconds")).isPositive();
    assertThat(lvx.objects("policies")).hasSize(1);
    assertThat(lvx.objects("perRank"))
        .hasSize(3)
        .allSatisfy(
            rank -> {
              assertThat(rank).containsKeys("rank", "seconds", "plannedBytes");
              assertThat(number(rank, "bytesSent")).isPositive();
              assertThat(number(rank, "peakBytes")).isPositive();
            });
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "run --model llama3v-90b --layers 2 --scale-width 0.02 --text 9 --dtype float64",
        "run --model openflamingo-9b --layers 2 --scale-width 0.125 --frames 20 --text 9",
        "run --model openflamingo-3b --layers 1 --scale-width 0.125 --frames 9 --ranks 5",
        "run --model mplug-owl3-1b --layers 2 --scale-width 0.125 --frames 3 --text 9",
        "run --model mplug-owl3-7b --layers 1 --scale-width 0.04 --frames 1 --text 5 --ranks 7"
      })
  void everyPolicyIsExact(String words) {
    Lvx lvx = run(words + " --tile-rows 100 --backward --check --json");
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    assertThat(lvx.objects("policies"))
        .extracting(policy -> policy.get("policy"))
        .containsExactly("KEEP", "RECOMPUTE", "RECOMPUTE_TILED");
    assertThat(lvx.objects("policies"))
        .extracting(policy -> ((Map<?, ?>) Objects.requireNonNull(policy.get("maxError"))).keySet())
        .allSatisfy(names -> assertThat(names).hasToString("[out, dx, dfeatures, dweights]"));
    assertThat(lvx.member("policy")).isEqualTo("RECOMPUTE_TILED");
    Map<String, ?> weights = lvx.object("weightErrors");
    assertThat(weights).containsKey("layers.0." + gateOf(words)).hasSizeGreaterThan(10);
    assertThat(weights.values())
        .allSatisfy(error -> assertThat((double) error).isBetween(0.0, 2e-5));
    assertThat(lvx.object("maxError").get("dweights"))
        .isEqualTo(weights.values().stream().mapToDouble(v -> (double) v).max().orElseThrow());
  }

  private static String gateOf(String words) {
    if (words.contains("llama")) {
      return "cross_attn_attn_gate";
    }
    return words.contains("flamingo") ? "attn_gate" : "self_attn.gate";
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--model llama3v-11b --layers 8 --scale-width 0.0625 --tile-rows 64 --backward",
        "--model llama3v-11b --layers 2 --scale-width 0.03125 --dtype bfloat16 --backward",
        "--model llama3v-11b --layers 1 --scale-width 0.03125 --text 500 --frames 1 --backward",
        "--model openflamingo-3b --layers 3 --scale-width 0.125 --strategy KV_RING --backward",
        "--model openflamingo-9b --layers 2 --scale-width 0.125",
        "--model mplug-owl3-1b --layers 4 --scale-width 0.125 --ranks 3 --backward --check"
      })
  void memoryIsWhatTheFormulaSays(String words) {
    Lvx lvx = run("run --json " + words);
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    for (Map<String, ?> policy : lvx.objects("policies")) {
      for (Object each : (List<?>) Objects.requireNonNull(policy.get("perRank"))) {
        Map<?, ?> rank = (Map<?, ?>) each;
        long peak = (long) Objects.requireNonNull(rank.get("peakBytes"));
        long planned = (long) Objects.requireNonNull(rank.get("plannedBytes"));
        assertThat((double) planned / peak)
            .as(policy.get("policy") + " " + rank)
            .isBetween(0.98, 1.02);
      }
    }
  }

  @Test
  void whatAutoChoosesIsNotPlanned() {
    Lvx lvx = run(SMALL + "--strategy AUTO --policy KEEP");
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    assertThat(lvx.objects("perRank").getFirst()).containsEntry("plannedBytes", null);
  }

  @Test
  void tilesHoldNoLayersKeysAndValues() {
    Lvx lvx = run(SMALL + "--backward --tile-rows 64");
    List<Map<String, Object>> policies = lvx.objects("policies").stream().map(Map::copyOf).toList();
    long keep = number(policies.get(0), "peakBytes");
    long tiled = number(policies.get(2), "peakBytes");
    // 1601 rows per rank of 2 layers' keys and values with 1 head of 128, and one layer's
    // gradients.
    assertThat(keep - tiled).isGreaterThan(1601L * 2 * 128 * Float.BYTES * 2);
  }

  @Test
  void recomputationIsInTheOperations() {
    Lvx lvx = run(SMALL + "--backward");
    assertThat(lvx.objects("policies").get(0)).containsEntry("flopsOverKeep", 1.0);
    double ratio =
        (double) Objects.requireNonNull(lvx.objects("policies").get(2).get("flopsOverKeep"));
    // Of features of 128 to keys and values of 2 x 128, P operations, of 4 heads with 8 queries
    // P / 4 for attention: 3 P + 3.5 P / 4 with nothing recomputed. Text of 8 rows is little.
    assertThat(ratio).isCloseTo(4.875 / 3.875, within(0.01));
  }

  @Test
  void aWidthThatFitsIsChosenAndSaid() {
    Lvx lvx = Lvx.run("run", "--model", "openflamingo-9b", "--layers", "1", "--frames", "1");
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    assertThat(lvx.out())
        .contains("Whole layers, forward")
        .contains("openflamingo-9b, 1 of its layers")
        .contains("RECOMPUTE_TILED")
        .contains("Not checked");
  }
}
