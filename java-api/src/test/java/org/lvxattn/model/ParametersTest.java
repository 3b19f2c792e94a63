// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.io.SafetensorsWriter;
import org.lvxattn.io.StoredTensors;
import org.lvxattn.visual.VisualCheckpoint;

/** Parameters of checkpoints, by their names in the checkpoint. */
class ParametersTest {
  private static final String PREFIX = "language_model.model.layers.3.";

  private final LlamaCrossAttentionLayer layer =
      LlamaCrossAttentionLayer.builder().hidden(16).heads(2).headDim(8).intermediate(8).build();

  @TempDir private Path folder;

  @Test
  void comeFromCheckpointsByName() throws IOException {
    Path file = folder.resolve("model.safetensors");
    try (Device device = Device.cpu();
        Parameters made = Parameters.allocate(device, DType.BFLOAT16, layer.parameterShapes())) {
      made.get("mlp.up_proj.weight").slice(0, 0, 1).slice(1, 0, 2).copyFrom(new float[] {2, 0.5f});
      Map<String, Tensor> named = new LinkedHashMap<>();
      made.tensors().forEach((name, tensor) -> named.put(PREFIX + name, tensor));
      named.put("language_model.model.norm.weight", made.get("input_layernorm.weight"));
      SafetensorsWriter.write(file, Map.of(), named);
    }
    try (Device device = Device.cpu();
        StoredTensors checkpoint = StoredTensors.open(folder);
        Parameters copies =
            Parameters.load(device, DType.FLOAT32, checkpoint, PREFIX, layer.parameterShapes());
        Parameters views = Parameters.wrap(device, checkpoint, PREFIX, layer.parameterShapes())) {
      assertThat(copies.names()).containsExactlyElementsOf(layer.parameterShapes().keySet());
      assertThat(copies.get("mlp.up_proj.weight").toFloats()).startsWith(2, 0.5f, 0);
      assertThat(views.get("mlp.up_proj.weight").dtype()).isEqualTo(DType.BFLOAT16);
      assertThat(views.get("mlp.up_proj.weight").isReadOnly()).isTrue();
      try (Group group = Group.self(device);
          Tensor x = Tensor.allocate(device, DType.BFLOAT16, 1, 2, 16);
          VisualCheckpoint visual =
              VisualCheckpoint.builder(group, Tensor.allocate(device, DType.BFLOAT16, 1, 3, 16))
                  .closeFeatures()
                  .build();
          LlamaCrossAttentionLayer.Activations activations =
              layer.forward(views, x, visual, VisualMask.none())) {
        assertThat(activations.output().toFloats()).containsOnly(0);
      }
      assertThatThrownBy(
              () -> Parameters.wrap(device, checkpoint, "layers.", layer.parameterShapes()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("no tensor \"layers.cross_attn.q_proj.weight\"");
      Map<String, long[]> other = Map.of("cross_attn_attn_gate", new long[] {2});
      assertThatThrownBy(() -> Parameters.load(device, DType.FLOAT32, checkpoint, PREFIX, other))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("cross_attn_attn_gate BF16[1]; [2] was expected");
    }
  }
}
