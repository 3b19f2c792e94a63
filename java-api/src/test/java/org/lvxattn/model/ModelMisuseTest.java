// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.visual.VisualCheckpoint;

/** Wrong calls throw exceptions that name what was wrong, and leak nothing. */
class ModelMisuseTest {
  private final LlamaCrossAttentionLayer layer =
      LlamaCrossAttentionLayer.builder().hidden(16).heads(2).headDim(8).intermediate(8).build();
  private Device device;
  private Group group;
  private Parameters weights;
  private VisualCheckpoint visual;

  @BeforeEach
  void open() {
    device = Device.cpu();
    group = Group.self(device);
    weights = Parameters.allocate(device, DType.FLOAT32, layer.parameterShapes());
    visual =
        VisualCheckpoint.builder(group, Tensor.allocate(device, DType.FLOAT32, 1, 5, 16))
            .closeFeatures()
            .build();
  }

  @AfterEach
  void close() {
    visual.close();
    weights.close();
    group.close();
    device.close(); // which fails if something was left open
  }

  @Test
  void builders() {
    assertThatThrownBy(() -> LlamaCrossAttentionLayer.builder().heads(2).headDim(8).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("hidden was not set");
    assertThatThrownBy(
            () -> LlamaCrossAttentionLayer.builder().hidden(8).heads(2).headDim(8).build())
        .hasMessage("intermediate was not set");
    assertThatThrownBy(() -> FlamingoBlock.builder().width(8).build())
        .hasMessage("visualWidth was not set");
    assertThatThrownBy(() -> FlamingoBlock.builder().width(8).visualWidth(8).headDim(9).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("headDim is 9");
    assertThatThrownBy(() -> PerceiverResampler.builder().build()).hasMessage("width was not set");
    assertThatThrownBy(() -> Owl3Layer.builder().hidden(8).build())
        .hasMessage("variant was not set");
    assertThatThrownBy(() -> Owl3Layer.builder().theta(0)).hasMessageContaining("theta is 0.0");
    assertThatThrownBy(() -> FlamingoBlock.builder().epsilon(-1))
        .hasMessageContaining("epsilon is -1.0");
    assertThatThrownBy(() -> PerceiverResampler.builder().depth(0))
        .hasMessageContaining("depth is 0; 1 or more");
  }

  @Test
  void parameters() {
    Map<String, long[]> shapes = new LinkedHashMap<>(layer.parameterShapes());
    shapes.remove("cross_attn_attn_gate");
    try (Tensor x = Tensor.allocate(device, DType.FLOAT32, 1, 3, 16);
        Parameters missing = Parameters.allocate(device, DType.FLOAT32, shapes)) {
      assertThatThrownBy(() -> layer.forward(missing, x, visual, VisualMask.none()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("there is no parameter \"cross_attn_attn_gate\"");
      shapes.put("cross_attn_attn_gate", new long[] {2});
      try (Parameters wrong = Parameters.allocate(device, DType.FLOAT32, shapes)) {
        assertThatThrownBy(() -> layer.forward(wrong, x, visual, VisualMask.none()))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("parameter \"cross_attn_attn_gate\"")
            .hasMessageContaining("[1] was expected");
      }
    }
    assertThat(weights.under("cross_attn.").names()).contains("q_proj.weight");
    assertThat(weights.names()).contains("cross_attn.q_proj.weight", "mlp.down_proj.weight");
  }

  @Test
  void rows() {
    try (Tensor wide = Tensor.allocate(device, DType.FLOAT32, 1, 3, 24);
        Tensor otherType = Tensor.allocate(device, DType.FLOAT64, 1, 3, 16);
        Tensor x = Tensor.allocate(device, DType.FLOAT32, 1, 3, 16);
        Tensor dOut = Tensor.allocate(device, DType.FLOAT32, 1, 2, 16);
        Gradients gradients = Gradients.zeros(device, DType.FLOAT32, layer.parameterShapes())) {
      assertThatThrownBy(() -> layer.forward(weights, wide, visual, VisualMask.none()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("x is ")
          .hasMessageContaining("[batch, rows, 16]");
      assertThatThrownBy(() -> layer.forward(weights, otherType, visual, VisualMask.none()))
          .isInstanceOf(IllegalArgumentException.class);
      try (LlamaCrossAttentionLayer.Activations activations =
          layer.forward(weights, x, visual, VisualMask.none())) {
        assertThatThrownBy(() -> layer.backward(activations, dOut, gradients))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("dOut is ");
        try (Gradients few = Gradients.zeros(device, DType.FLOAT32, Map.of())) {
          assertThatThrownBy(() -> layer.backward(activations, activations.output(), few))
              .isInstanceOf(IllegalArgumentException.class)
              .hasMessageContaining("there is no gradient");
        }
      }
    }
  }

  @Test
  void gradientsAreOneSum() {
    try (Gradients gradients = Gradients.zeros(device, DType.BFLOAT16, layer.parameterShapes())) {
      Tensor gate = gradients.get("cross_attn_attn_gate");
      assertThat(gate.dtype()).isEqualTo(DType.FLOAT32);
      gate.copyFrom(new float[] {3});
      gradients.allReduce(group);
      assertThat(gate.toFloats()).containsExactly(3);
      assertThat(gradients.under("cross_attn_").get("attn_gate").toFloats()).containsExactly(3);
      assertThatThrownBy(() -> gradients.under("cross_attn.").allReduce(group))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("these are a part");
      gradients.clear();
      assertThat(gate.toFloats()).containsExactly(0);
      assertThatThrownBy(() -> gradients.get("gate")).hasMessageContaining("no gradient \"gate\"");
    }
  }

  @Test
  void owl3() {
    Owl3Layer owl3 =
        Owl3Layer.builder()
            .variant(Owl3Variant.FUSED)
            .hidden(16)
            .heads(2)
            .headDim(8)
            .intermediate(8)
            .build();
    Owl3Images images = new Owl3Images(new int[][] {{0}}, 5);
    try (Parameters parameters =
            Parameters.allocate(device, DType.FLOAT32, owl3.parameterShapes());
        Tensor x = Tensor.allocate(device, DType.FLOAT32, 1, 3, 16);
        Owl3Batch gated = Owl3Batch.of(group, Owl3Variant.GATED, images, 3, 0, 5);
        Owl3Batch longer = Owl3Batch.of(group, Owl3Variant.FUSED, images, 4, 0, 5);
        Owl3Batch later = Owl3Batch.of(group, Owl3Variant.FUSED, images, 3, 2, 5);
        TextCache cache = TextCache.allocate(device, DType.FLOAT32, 1, 2, 2, 8)) {
      assertThatThrownBy(() -> owl3.forward(parameters, x, visual, gated, null))
          .hasMessageContaining("batch is for GATED attention; FUSED was expected");
      assertThatThrownBy(() -> owl3.forward(parameters, x, visual, longer, null))
          .hasMessageContaining("x is ");
      assertThatThrownBy(() -> owl3.forward(parameters, x, visual, later, cache))
          .hasMessageContaining("past has 0 rows; the batch's 2 were expected");
      assertThatThrownBy(() -> cache.append(heads(x, 3), heads(x, 3)))
          .hasMessageContaining("room for 2 rows, of which 0 are filled; 3 more do not fit");
    }
  }

  private static Tensor heads(Tensor x, long rows) {
    return x.slice(1, 0, rows).reshape(1, rows, 2, 8);
  }

  @Test
  void resamplersLatents() {
    PerceiverResampler resampler =
        PerceiverResampler.builder().width(16).latents(3).depth(1).heads(2).headDim(8).build();
    try (Parameters parameters =
        Parameters.allocate(device, DType.FLOAT32, resampler.parameterShapes())) {
      assertThatThrownBy(() -> resampler.forward(parameters, visual, RowShard.whole(4)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("shard is of 4 latents; of 3 was expected");
    }
  }
}
