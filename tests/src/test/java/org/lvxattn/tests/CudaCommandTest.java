// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.NativeInfo;
import org.lvxattn.cli.Main;
import org.lvxattn.oracle.JsonReader;

/** The command line on the CUDA device, compared with results of other tools. */
@Tag("cuda")
@Timeout(600)
class CudaCommandTest {
  private static final String GOLDENS = "src/test/resources/goldens/";

  /** Runs a command, which must succeed and name the device; returns its output. */
  private static Map<String, @Nullable Object> lvx(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of(Main.class.getName()));
    command.addAll(List.of(arguments));
    command.addAll(List.of("--device", TestDevice.CHOICE.word(), "--json"));
    Path natives = Objects.requireNonNull(NativeInfo.load().file().getParent());
    JavaProcess end = JavaProcess.run(natives, Map.of(), command.toArray(String[]::new));
    assertThat(end.code()).as(end.out()).isZero();
    return JsonReader.readObject(end.out());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "plain_empty_rows_d64",
        "plain_bias_neginf_d64",
        "plain_gqa7_d64",
        "plain_one_key_d32"
      })
  void goldenAttention(String name) throws Exception {
    assertThat(lvx("verify", GOLDENS + name + ".safetensors", "--ranks", "1,2"))
        .containsEntry("passed", 2L)
        .containsEntry("failed", 0L);
  }

  /** Whole layers: projections, norms, gates, masks, and every gradient. */
  @ParameterizedTest
  @ValueSource(strings = {"llama3v_layer_masked", "owl3_fused_decode", "flamingo_previous"})
  void goldenLayers(String name) throws Exception {
    assertThat(lvx("verify", GOLDENS + name + ".safetensors", "--ranks", "2"))
        .containsEntry("passed", 1L)
        .containsEntry("failed", 0L);
  }

  @Test
  void runComparesWithTheOracle() throws Exception {
    assertThat(lvx("run", "--shape", "1,3,40,4,2,16", "--backward", "--check", "--ranks", "2"))
        .containsEntry("device", TestDevice.CHOICE.word())
        .containsEntry("ranks", 2L);
  }
}
