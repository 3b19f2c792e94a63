// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.Strategy;

class RunCommandTest {
  private static final String SHAPE = "2,9,33,4,2,16";

  @Test
  void printsTheAgreedKeys() {
    Lvx lvx = Lvx.run("run", "--shape", SHAPE, "--ranks", "3", "--backward", "--check", "--json");
    assertThat(lvx.code()).as(lvx.err()).isZero();
    assertThat(lvx.err()).isEmpty();
    assertThat(lvx.out().lines()).hasSize(1);
    assertThat(lvx.json())
        .containsEntry("model", null)
        .containsEntry("strategy", "AUTO")
        .containsEntry("ranks", 3L)
        .containsEntry("group", "local")
        .containsEntry("device", "cpu")
        .containsEntry("dtype", "float32")
        .containsEntry("pass", "forward+backward");
    assertThat(lvx.object("shape"))
        .isEqualTo(
            Map.of(
                "batch",
                2L,
                "queries",
                9L,
                "keys",
                33L,
                "queryHeads",
                4L,
                "keyHeads",
                2L,
                "headDim",
                16L));
    assertThat((double) lvx.member("seconds")).isPositive();
    assertThat(lvx.objects("perRank"))
        .hasSize(3)
        .allSatisfy(
            rank ->
                assertThat(rank)
                    .containsKeys("rank", "bytesSent", "messagesSent", "interNodeBytesSent")
                    .containsKeys("computeSeconds", "exposedWaitSeconds", "peakBytes")
                    .extractingByKey("strategy", InstanceOfAssertFactories.STRING)
                    .isIn(Strategy.schedules().stream().map(Strategy::name).toList()));
    assertThat(lvx.object("maxError")).containsOnlyKeys("o", "lse", "dq", "dk", "dv");
  }

  @ParameterizedTest
  @ValueSource(strings = {"float64", "float32", "bfloat16", "float16"})
  void isExactInEveryDtype(String dtype) {
    Lvx lvx = Lvx.run("run", "--shape", SHAPE, "--dtype", dtype, "--backward", "--check", "--json");
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
  }

  @ParameterizedTest
  @EnumSource(Strategy.class)
  void isExactByEveryStrategy(Strategy strategy) {
    Lvx lvx =
        Lvx.run("run", "--shape", SHAPE, "--strategy", strategy.name(), "--backward", "--check");
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    assertThat(lvx.out()).contains(strategy.name());
  }

  @Test
  void forwardAloneChecksForwardAlone() {
    Lvx lvx = Lvx.run("run", "--shape", SHAPE, "--check", "--repeat", "3", "--json");
    assertThat(lvx.code()).isZero();
    assertThat(lvx.json()).containsEntry("pass", "forward");
    assertThat(lvx.object("maxError")).containsOnlyKeys("o", "lse");
    assertThat(Lvx.run("run", "--shape", SHAPE, "--json").json()).doesNotContainKey("maxError");
  }

  @Test
  void framesAndTextSetTheSizes() {
    Lvx lvx =
        Lvx.run("run", "--model", "openflamingo-9b", "--frames", "3", "--text", "5", "--json");
    assertThat(lvx.code()).as(lvx.err()).isZero();
    assertThat(lvx.json()).containsEntry("model", "openflamingo-9b");
    assertThat(lvx.object("shape"))
        .isEqualTo(
            Map.of(
                "batch",
                1L,
                "queries",
                5L,
                "keys",
                192L,
                "queryHeads",
                8L,
                "keyHeads",
                8L,
                "headDim",
                64L));
  }

  @Test
  void keysComeFromPictures() throws Exception {
    String clip =
        Path.of(Objects.requireNonNull(getClass().getResource("/clip/frame-0.png")).toURI())
            .resolveSibling("")
            .toString();
    Lvx lvx =
        Lvx.run(
            "run",
            "--model",
            "mplug-owl3-1b",
            "--text",
            "6",
            "--video",
            clip,
            "--check",
            "--backward",
            "--json");
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    assertThat(lvx.object("shape")).containsEntry("keys", 512L);
    Lvx both = Lvx.run("run", "--video", clip, "--frames", "2");
    assertThat(both.code()).isEqualTo(2);
    assertThat(both.err()).contains("cannot be combined with --frames or --shape");
  }

  @Test
  void emptySequencesAreFine() {
    for (String shape : List.of("1,0,33,4,2,16", "1,9,0,4,2,16", "1,1,1,1,1,8")) {
      Lvx lvx = Lvx.run("run", "--shape", shape, "--backward", "--check", "--json");
      assertThat(lvx.code()).as(shape + lvx.out() + lvx.err()).isZero();
    }
  }

  @Test
  void bytesBetweenNodesAreCounted() {
    String[] words = {"run", "--shape", SHAPE, "--ranks", "4", "--json", "--ranks-per-node"};
    assertThat(interNodeBytes(words, "4")).isZero();
    assertThat(interNodeBytes(words, "2")).isPositive();
  }

  private static long interNodeBytes(String[] words, String ranksPerNode) {
    String[] all = Arrays.copyOf(words, words.length + 1);
    all[words.length] = ranksPerNode;
    return Lvx.run(all).objects("perRank").stream()
        .mapToLong(rank -> (long) Objects.requireNonNull(rank.get("interNodeBytesSent")))
        .sum();
  }

  @Test
  void peopleReadWhatItMeans() {
    Lvx lvx = Lvx.run("run", "--shape", SHAPE, "--backward", "--check");
    assertThat(lvx.code()).isZero();
    assertThat(lvx.out())
        .contains("Exact cross-attention, forward+backward")
        .contains("Ring Attention would send")
        .contains("Against the float64 oracle")
        .contains("exact");
  }

  @Test
  void theSameSeedGivesTheSameInputs() {
    // With a fixed strategy: AUTO measures the machine, and strategies round differently.
    String[] words = {
      "run", "--shape", SHAPE, "--strategy", "QUERY_RING", "--check", "--json", "--seed"
    };
    assertThat(errors(words, "3")).isEqualTo(errors(words, "3"));
    assertThat(errors(words, "3")).isNotEqualTo(errors(words, "4"));
  }

  private static Object errors(String[] words, String seed) {
    String[] all = Arrays.copyOf(words, words.length + 1);
    all[words.length] = seed;
    return Lvx.run(all).member("maxError");
  }
}
