// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.cli.Main;
import org.lvxattn.cli.output.Json;

/** The command line on the CUDA device: what other tools computed is computed there, too. */
@Tag("cuda")
@Timeout(600)
class CudaCommandTest {
  private static final String GOLDENS = "src/test/resources/goldens/";

  /** Exit code and what was printed, with the device said. */
  private static synchronized Map.Entry<Integer, String> lvx(String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(List.of("--device", TestDevice.CHOICE.word(), "--json"));
    PrintStream out = System.out;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (PrintStream printed = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
      System.setOut(printed);
      int code = Main.execute(line.toArray(String[]::new));
      return Map.entry(code, bytes.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(out);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "plain_empty_rows_d64", "plain_bias_neginf_d64", "plain_gqa7_d64", "plain_one_key_d32"
      })
  void goldenAttention(String name) {
    Map.Entry<Integer, String> end =
        lvx("verify", GOLDENS + name + ".safetensors", "--ranks", "1,2");
    assertThat(end.getKey()).as(end.getValue()).isZero();
    assertThat(Json.readObject(end.getValue())).containsEntry("failed", 0L);
  }

  /** Whole layers: projections, norms, gates, masks, and every gradient. */
  @ParameterizedTest
  @ValueSource(strings = {"llama3v_layer_masked", "owl3_fused_decode", "flamingo_previous"})
  void goldenLayers(String name) {
    Map.Entry<Integer, String> end = lvx("verify", GOLDENS + name + ".safetensors", "--ranks", "2");
    assertThat(end.getKey()).as(end.getValue()).isZero();
    assertThat(Json.readObject(end.getValue())).containsEntry("failed", 0L);
  }

  @Test
  void runComparesWithTheOracle() {
    Map.Entry<Integer, String> end =
        lvx("run", "--shape", "1,3,40,4,2,16", "--backward", "--check", "--ranks", "2");
    assertThat(end.getKey()).as(end.getValue()).isZero();
    assertThat(Json.readObject(end.getValue()))
        .containsEntry("device", TestDevice.CHOICE.word())
        .containsEntry("ranks", 2L);
  }
}
