// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.visual.VisualCheckpoint;

/** Memory that layers keep for backward. */
class LayerMemoryTest {
  private static final int TEXT_ROWS = 8;

  private final LlamaCrossAttentionLayer layer =
      LlamaCrossAttentionLayer.builder().hidden(64).heads(4).headDim(16).intermediate(128).build();

  @Test
  void dependsOnVisualRowsOnlyWhereTheseAreKept() {
    assertThat(kept(RecomputePolicy.RECOMPUTE_TILED, 4000))
        .isEqualTo(kept(RecomputePolicy.RECOMPUTE_TILED, 40));
    assertThat(kept(RecomputePolicy.RECOMPUTE, 4000))
        .isEqualTo(kept(RecomputePolicy.RECOMPUTE, 40));
    long keysAndValues = 2L * 64 * Float.BYTES;
    assertThat(kept(RecomputePolicy.KEEP, 4000) - kept(RecomputePolicy.KEEP, 40))
        .isGreaterThanOrEqualTo((4000 - 40) * keysAndValues);
  }

  @Test
  void isAsSmallAsTheTextRows() {
    // h, q before and after its norm, o, a, y, out and m of 64; gate and up of 128; and lse.
    long numbers = TEXT_ROWS * (8 * 64 + 2 * 128 + 4);
    assertThat(kept(RecomputePolicy.RECOMPUTE_TILED, 40))
        .isBetween(numbers * 4, numbers * 4 + 16 * 64);
  }

  private long kept(RecomputePolicy policy, int visualRows) {
    try (Device device = Device.cpu();
        Group group = Group.self(device);
        Parameters weights = Parameters.allocate(device, DType.FLOAT32, layer.parameterShapes());
        Tensor x = Tensor.allocate(device, DType.FLOAT32, 1, TEXT_ROWS, 64);
        VisualCheckpoint visual =
            VisualCheckpoint.builder(
                    group, Tensor.allocate(device, DType.FLOAT32, 1, visualRows, 64))
                .closeFeatures()
                .policy(policy)
                .build()) {
      long before = device.bytesInUse();
      try (LlamaCrossAttentionLayer.Activations activations =
          layer.forward(weights, x, visual, VisualMask.none())) {
        assertThat(activations.output().shape()).containsExactly(1, TEXT_ROWS, 64);
        return device.bytesInUse() - before;
      }
    }
  }
}
