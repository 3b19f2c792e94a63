// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.io.SafetensorsWriter;
import org.lvxattn.io.StoredTensors;

/**
 * Each family's layers find their weights under the names of the published checkpoints, in one file
 * or in several with an index. Names and shapes are as published, with small widths.
 */
class CheckpointNamesTest {
  private static final int C = 16;
  private static final int HEADS = 4;
  private static final int KEY_HEADS = 2;
  private static final int D = 8;
  private static final int FFN = 24;

  @TempDir private Path folder;

  private static SequencedMap<String, long[]> mlp(String prefix) {
    SequencedMap<String, long[]> names = new LinkedHashMap<>();
    names.put(prefix + "post_attention_layernorm.weight", new long[] {C});
    names.put(prefix + "mlp.gate_proj.weight", new long[] {FFN, C});
    names.put(prefix + "mlp.up_proj.weight", new long[] {FFN, C});
    names.put(prefix + "mlp.down_proj.weight", new long[] {C, FFN});
    return names;
  }

  @Test
  void llama3v() throws IOException {
    String prefix = "language_model.model.layers.13.";
    SequencedMap<String, long[]> names = mlp(prefix);
    names.put(prefix + "cross_attn.q_proj.weight", new long[] {HEADS * D, C});
    names.put(prefix + "cross_attn.k_proj.weight", new long[] {KEY_HEADS * D, C});
    names.put(prefix + "cross_attn.v_proj.weight", new long[] {KEY_HEADS * D, C});
    names.put(prefix + "cross_attn.o_proj.weight", new long[] {C, HEADS * D});
    names.put(prefix + "cross_attn.q_norm.weight", new long[] {D});
    names.put(prefix + "cross_attn.k_norm.weight", new long[] {D});
    names.put(prefix + "cross_attn_attn_gate", new long[] {1});
    names.put(prefix + "cross_attn_mlp_gate", new long[] {1});
    names.put(prefix + "input_layernorm.weight", new long[] {C});
    LlamaCrossAttentionLayer layer =
        LlamaCrossAttentionLayer.builder()
            .hidden(C)
            .heads(HEADS)
            .keyValueHeads(KEY_HEADS)
            .headDim(D)
            .intermediate(FFN)
            .build();
    check(names, Map.of(prefix, layer.parameterShapes()));
  }

  @Test
  void openFlamingo() throws IOException {
    int inner = HEADS * D;
    int media = 24;
    String prefix = "lang_encoder.transformer.blocks.7.gated_cross_attn_layer.";
    SequencedMap<String, long[]> names = new LinkedHashMap<>();
    names.put(prefix + "attn.norm.weight", new long[] {C});
    names.put(prefix + "attn.norm.bias", new long[] {C});
    names.put(prefix + "attn.to_q.weight", new long[] {inner, C});
    names.put(prefix + "attn.to_kv.weight", new long[] {2L * inner, media});
    names.put(prefix + "attn.to_out.weight", new long[] {C, inner});
    names.put(prefix + "attn_gate", new long[] {1});
    names.putAll(feedForward(prefix + "ff.", C));
    names.put(prefix + "ff_gate", new long[] {1});
    names.put("perceiver.latents", new long[] {5, media});
    for (int layer = 0; layer < 2; layer++) {
      String attention = "perceiver.layers." + layer + ".0.";
      for (String norm : List.of("norm_media.", "norm_latents.")) {
        names.put(attention + norm + "weight", new long[] {media});
        names.put(attention + norm + "bias", new long[] {media});
      }
      names.put(attention + "to_q.weight", new long[] {inner, media});
      names.put(attention + "to_kv.weight", new long[] {2L * inner, media});
      names.put(attention + "to_out.weight", new long[] {media, inner});
      names.putAll(feedForward("perceiver.layers." + layer + ".1.", media));
    }
    names.put("perceiver.norm.weight", new long[] {media});
    names.put("perceiver.norm.bias", new long[] {media});
    FlamingoBlock block =
        FlamingoBlock.builder().width(C).visualWidth(media).heads(HEADS).headDim(D).build();
    PerceiverResampler resampler =
        PerceiverResampler.builder()
            .width(media)
            .latents(5)
            .depth(2)
            .heads(HEADS)
            .headDim(D)
            .build();
    check(
        names, Map.of(prefix, block.parameterShapes(), "perceiver.", resampler.parameterShapes()));
  }

  private static Map<String, long[]> feedForward(String prefix, int width) {
    SequencedMap<String, long[]> names = new LinkedHashMap<>();
    names.put(prefix + "0.weight", new long[] {width});
    names.put(prefix + "0.bias", new long[] {width});
    names.put(prefix + "1.weight", new long[] {4L * width, width});
    names.put(prefix + "3.weight", new long[] {width, 4L * width});
    return names;
  }

  @Test
  void mplugOwl3() throws IOException {
    String prefix = "language_model.model.layers.8.";
    SequencedMap<String, long[]> names = mlp(prefix);
    names.put(prefix + "input_layernorm.weight", new long[] {C});
    names.put(prefix + "self_attn.q_proj.weight", new long[] {HEADS * D, C});
    names.put(prefix + "self_attn.q_proj.bias", new long[] {HEADS * D});
    for (String each : List.of("k_proj.", "v_proj.")) {
      names.put(prefix + "self_attn." + each + "weight", new long[] {KEY_HEADS * D, C});
      names.put(prefix + "self_attn." + each + "bias", new long[] {KEY_HEADS * D});
    }
    names.put(prefix + "self_attn.o_proj.weight", new long[] {C, HEADS * D});
    names.put(prefix + "self_attn.v_kv_proj.weight", new long[] {2 * KEY_HEADS * D, C});
    names.put(prefix + "self_attn.v_kv_proj.bias", new long[] {2 * KEY_HEADS * D});
    check(names, Map.of(prefix, owl3(Owl3Variant.FUSED).parameterShapes()));
    names.put(prefix + "self_attn.gate", new long[] {HEADS * D});
    check(names, Map.of(prefix, owl3(Owl3Variant.GATED).parameterShapes()));
  }

  private static Owl3Layer owl3(Owl3Variant variant) {
    return Owl3Layer.builder()
        .variant(variant)
        .hidden(C)
        .heads(HEADS)
        .keyValueHeads(KEY_HEADS)
        .headDim(D)
        .intermediate(FFN)
        .build();
  }

  /** Writes a checkpoint with these names; the layers' names must find all of them. */
  private void check(
      SequencedMap<String, long[]> published, Map<String, ? extends Map<String, long[]>> layers)
      throws IOException {
    Path one = Files.createTempDirectory(folder, "one").resolve("model.safetensors");
    Path several = Files.createTempDirectory(folder, "several");
    List<String> names = new ArrayList<>(published.keySet());
    try (Device device = Device.cpu();
        Parameters made = Parameters.allocate(device, DType.BFLOAT16, published)) {
      // Each tensor begins with a unique number.
      for (int i = 0; i < names.size(); i++) {
        Tensor tensor = made.get(names.get(i));
        tensor.reshape(tensor.elements()).slice(0, 0, 1).copyFrom(new float[] {i + 1});
      }
      SafetensorsWriter.write(one, Map.of("format", "pt"), made.tensors());
      shard(several, names, made);
      for (Path path : List.of(one, several)) {
        try (StoredTensors checkpoint = StoredTensors.open(path)) {
          List<String> loaded = new ArrayList<>();
          layers.forEach(
              (prefix, shapes) -> {
                try (Parameters own =
                    Parameters.load(device, DType.FLOAT32, checkpoint, prefix, shapes)) {
                  own.tensors()
                      .forEach(
                          (name, tensor) -> {
                            float expected = names.indexOf(prefix + name) + 1;
                            assertThat(tensor.toFloats()[0]).as(prefix + name).isEqualTo(expected);
                            loaded.add(prefix + name);
                          });
                }
              });
          assertThat(loaded).containsExactlyInAnyOrderElementsOf(names);
        }
      }
    }
  }

  /** Two files and an index, as Hugging Face writes large models. */
  private static void shard(Path several, List<String> names, Parameters made) throws IOException {
    Map<String, String> where = new LinkedHashMap<>();
    for (int file = 0; file < 2; file++) {
      String fileName = "model-0000" + (file + 1) + "-of-00002.safetensors";
      Map<String, Tensor> part = new LinkedHashMap<>();
      for (int i = file; i < names.size(); i += 2) {
        part.put(names.get(i), made.get(names.get(i)));
        where.put(names.get(i), fileName);
      }
      SafetensorsWriter.write(several.resolve(fileName), Map.of("format", "pt"), part);
    }
    String map =
        where.entrySet().stream()
            .map(each -> "\"" + each.getKey() + "\": \"" + each.getValue() + "\"")
            .collect(Collectors.joining(",\n    "));
    long bytes =
        names.stream()
            .mapToLong(name -> 2 * Objects.requireNonNull(made.get(name)).elements())
            .sum();
    Files.writeString(
        several.resolve("model.safetensors.index.json"),
        "{\n  \"metadata\": {\"total_size\": "
            + bytes
            + "},\n  \"weight_map\": {\n    "
            + map
            + "}}");
  }
}
