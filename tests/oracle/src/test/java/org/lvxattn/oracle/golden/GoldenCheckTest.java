// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.io.Safetensors;
import org.lvxattn.oracle.DeviceChoice;
import org.lvxattn.oracle.golden.CaseResult.Status;

/** Damages every tensor once, to show that the check can fail. */
class GoldenCheckTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({
    "plain_shard_merge_d64, o",
    "plain_shard_merge_d64, lse",
    "plain_shard_merge_d64, dq",
    "plain_shard_merge_d64, dk",
    "plain_shard_merge_d64, dv",
    "plain_shard_merge_d64, delta",
    "plain_shard_merge_d64, o_part",
    "plain_shard_merge_d64, lse_part",
    "plain_shard_merge_d64, dq_part",
    "plain_bias_bcast_d64, dbias",
    "plain_bias_bcast_d64, bias",
    "plain_odd_long_d128, dk_rows",
    "plain_odd_long_d128, dv_rows",
    "plain_odd_long_d128, dk_sum",
    "plain_odd_long_d128, dv_sum",
    "plain_gqa4_d128, q",
    "plain_gqa4_d128, k",
    "plain_gqa4_d128, v",
    "plain_gqa4_d128, do",
    "llama3v_layer_masked, out",
    "llama3v_layer_masked, mid.q",
    "llama3v_layer_masked, mid.k",
    "llama3v_layer_masked, mid.lse",
    "llama3v_layer_masked, grad.in.cross_attention_states",
    "llama3v_layer_masked, grad.w.cross_attn.k_norm.weight",
    "llama3v_layer_masked, grad.w.cross_attn_mlp_gate",
    "llama3v_layer_masked, w.mlp.up_proj.weight",
    "flamingo_previous, mid.o",
    "flamingo_previous, grad.in.media",
    "flamingo_previous, grad.w.attn.to_kv.weight",
    "flamingo_previous, in.x",
    "flamingo_perceiver, grad.w.latents",
    "flamingo_perceiver, grad.w.layers.1.0.norm_media.bias",
    "owl3_gated_decode, grad.in.past_k",
    "owl3_gated_decode, grad.w.self_attn.gate",
    "owl3_gated_decode, mid.text_o1",
    "owl3_fused_decode, mid.o1",
    "owl3_fused_decode, mid.vis_k0",
    "owl3_fused_decode, grad.w.self_attn.v_kv_proj.bias"
  })
  void noticesDamageInEveryTensor(String name, String tensor) throws IOException {
    Path original = Goldens.file(name);
    CaseResult right =
        GoldenCheck.of(original, DType.FLOAT32)
            .run(Strategy.QUERY_RING, Ranks.local(3, DeviceChoice.CPU), false);
    assertThat(right.status()).as(right.reason()).isEqualTo(Status.PASSED);
    byte[] content = Files.readAllBytes(original);
    ByteBuffer numbers = numbers(original, tensor, content);
    int largest = 0;
    for (int i = 4; i < numbers.remaining(); i += 4) {
      if (numbers.getFloat(i) > numbers.getFloat(largest)) {
        largest = i;
      }
    }
    numbers.putFloat(largest, numbers.getFloat(largest) + 0.5f);
    CaseResult wrong = check(content);
    assertThat(wrong.status()).isEqualTo(Status.FAILED);
    assertThat(wrong.reason()).contains("is off by");
    if (wrong.errors().containsKey(tensor)) {
      assertThat(wrong.errors().get(tensor)).isGreaterThan(1e-3);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "plain_empty_rows_d64, mask, 0",
    "plain_frames_interval_d64, kv_start, 200",
    "plain_frames_interval_d64, kv_end, 1000",
    "plain_varlen_kv_d128, kv_len, 98",
    "plain_shard_merge_d64, shard_bounds, 3",
    "plain_odd_long_d128, kv_rows, -1"
  })
  void noticesDamageInMasksAndBounds(String name, String tensor, int value) throws IOException {
    Path original = Goldens.file(name);
    byte[] content = Files.readAllBytes(original);
    ByteBuffer numbers = numbers(original, tensor, content);
    if (tensor.equals("mask")) {
      numbers.put(0, (byte) (1 - numbers.get(0)));
    } else {
      numbers.putInt(0, value);
    }
    CaseResult wrong = check(content);
    assertThat(wrong.status()).isEqualTo(Status.FAILED);
    assertThat(wrong.reason()).isNotEmpty();
  }

  @Test
  void aMaskThatIsSaidTwiceMustBeTheSame() throws IOException {
    Path original = Goldens.file("plain_varlen_kv_d128");
    byte[] content = Files.readAllBytes(original);
    ByteBuffer lengths = numbers(original, "kv_len", content);
    lengths.putInt(0, lengths.getInt(0) - 1);
    assertThat(check(content).reason()).contains("mask contradicts");
  }

  @Test
  void filesThatAreNoGoldenCasesFailWithAReason() throws IOException {
    assertThat(check(new byte[3]).reason()).contains("the file ends here");
    byte[] none = "........{}".getBytes(StandardCharsets.ISO_8859_1);
    ByteBuffer.wrap(none).order(ByteOrder.LITTLE_ENDIAN).putLong(2);
    CaseResult result = check(none);
    assertThat(result.status()).isEqualTo(Status.FAILED);
    assertThat(result.name()).isEqualTo("damaged");
    assertThat(result.reason()).contains("no golden case");
  }

  @Test
  void unknownTensorsAreNotPassedOver() throws IOException {
    byte[] content = Files.readAllBytes(Goldens.file("plain_gqa4_d128"));
    String text = new String(content, StandardCharsets.ISO_8859_1);
    int at = text.indexOf("\"dv\"");
    content[at + 2] = 'x';
    assertThat(check(content).reason()).contains("tensor dx").contains("no kind that is known");
  }

  @ParameterizedTest
  @CsvSource({
    "flamingo_previous, in.media_locations",
    "llama3v_layer_masked, in.cross_attention_mask"
  })
  void noticesDamageInMasksOfLayers(String name, String tensor) throws IOException {
    Path original = Goldens.file(name);
    byte[] content = Files.readAllBytes(original);
    ByteBuffer flags = numbers(original, tensor, content);
    flags.put(flags.limit() - 1, (byte) (1 - flags.get(flags.limit() - 1)));
    CaseResult wrong = check(content);
    assertThat(wrong.status()).isEqualTo(Status.FAILED);
    assertThat(wrong.reason()).contains("is off by");
  }

  @ParameterizedTest
  @CsvSource({
    "llama3v_layer_masked, layer_llama3v, layer_llama9v, kind 'layer_llama9v'",
    "llama3v_layer_masked, transformers semantics, transformersxsemantics, empty_row",
    "owl3_gated_decode, gated (240728, gabed (240728, variant 'gabed",
    "owl3_gated_decode, half-split pairing, neighbours pairing, rope",
    "flamingo_perceiver, exact (erf), tanh, gelu 'tanh",
    "flamingo_perceiver, PerceiverResampler, PerceiverSampler, module 'PerceiverSampler",
    "flamingo_previous, w.attn.to_out.weight, w.attn.to_cut.weight, the file has parameters",
    "flamingo_previous, in.media_locations, in.media_positions, the file has an input",
    "owl3_gated_decode, mid.text_o0, mid.text_x0, the file holds mid.text_x0"
  })
  void specsThatSayTheUnknownFail(String name, String text, String unknown, String reason)
      throws IOException {
    String all = new String(Files.readAllBytes(Goldens.file(name)), StandardCharsets.ISO_8859_1);
    String padded = unknown + " ".repeat(Math.max(0, text.length() - unknown.length()));
    byte[] content = all.replace(text, padded).getBytes(StandardCharsets.ISO_8859_1);
    CaseResult result = check(content);
    assertThat(result.status()).isEqualTo(Status.FAILED);
    assertThat(result.reason()).contains(reason);
  }

  @Test
  void layersAreSkippedInHalfPrecision() {
    CaseResult result =
        GoldenCheck.of(Goldens.file("owl3_gated_decode"), DType.BFLOAT16)
            .run(Strategy.QUERY_RING, Ranks.local(2, DeviceChoice.CPU), false);
    assertThat(result.status()).isEqualTo(Status.SKIPPED);
    assertThat(result.reason()).contains("bfloat16");
  }

  @ParameterizedTest
  @CsvSource({"BFLOAT16, 4e-3", "FLOAT16, 5e-4"})
  void halfPrecisionIsJudgedOnRoundedInputs(DType dtype, double rounding) {
    CaseResult result =
        GoldenCheck.of(Goldens.file("plain_gqa4_d128"), dtype)
            .run(Strategy.QUERY_RING, Ranks.local(1, DeviceChoice.CPU), false);
    assertThat(result.status()).as(result.reason()).isEqualTo(Status.PASSED);
    assertThat(result.errors().get("o")).isLessThan(rounding);
    assertThat(result.errors().get("lse")).isLessThan(2e-6); // exact but for float32
  }

  private CaseResult check(byte[] content) throws IOException {
    Path file = Files.write(folder.resolve("damaged.safetensors"), content);
    return GoldenCheck.of(file, DType.FLOAT32)
        .run(Strategy.QUERY_RING, Ranks.local(3, DeviceChoice.CPU), false);
  }

  /** A tensor's position in the content of a file. */
  private static ByteBuffer numbers(Path file, String name, byte[] content) throws IOException {
    try (Safetensors open = Safetensors.open(file)) {
      long end =
          open.tensors().values().stream().mapToLong(t -> t.data().address()).max().orElse(0);
      long last =
          open.tensors().values().stream()
              .filter(t -> t.data().address() == end)
              .mapToLong(t -> t.data().byteSize())
              .max()
              .orElse(0);
      long fromEnd = end + last - open.tensor(name).data().address();
      int size = Math.toIntExact(open.tensor(name).data().byteSize());
      return ByteBuffer.wrap(content, Math.toIntExact(content.length - fromEnd), size)
          .slice()
          .order(ByteOrder.LITTLE_ENDIAN);
    }
  }
}
