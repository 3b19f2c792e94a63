// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.Tensor;

/**
 * Which visual rows each of this rank's text rows sees, and which text rows see any. {@link
 * LlamaMasks}, {@link FlamingoMasks} or {@link Owl3Batch} creates it once for a batch, and all
 * layers use it.
 */
public final class VisualMask implements AutoCloseable {
  private static final VisualMask NONE = new VisualMask(null, null);

  private final @Nullable Tensor visibility;
  private final @Nullable Tensor live;

  private VisualMask(@Nullable Tensor visibility, @Nullable Tensor live) {
    this.visibility = visibility;
    this.live = live;
  }

  /** Every text row sees every visual row. Closing it does nothing. */
  public static VisualMask none() {
    return NONE;
  }

  /**
   * The mask of one rank's rows.
   *
   * @param live whether a row sees an image, for all rows of each batch item, [batch * rows]
   */
  static VisualMask of(Device device, RowRanges ranges, boolean[] live, RowShard shard) {
    return of(device, ranges.toTensor(device, ranges.batch(), shard), ranges, live, shard);
  }

  /** As above, if the visual features are one item that the rows of all items attend to. */
  static VisualMask ofFolded(Device device, RowRanges ranges, boolean[] live, RowShard shard) {
    return of(device, ranges.toTensor(device, 1, shard), ranges, live, shard);
  }

  private static VisualMask of(
      Device device, Tensor visibility, RowRanges ranges, boolean[] live, RowShard shard) {
    int rows = Math.toIntExact(shard.rows());
    int[] flags = new int[ranges.batch() * rows];
    for (int i = 0; i < flags.length; i++) {
      int row = Math.toIntExact(shard.begin() + i % rows);
      flags[i] = live[i / rows * ranges.rows() + row] ? 1 : 0;
    }
    try {
      return new VisualMask(visibility, Tensor.of(device, flags, ranges.batch(), rows));
    } catch (RuntimeException e) {
      visibility.close();
      throw e;
    }
  }

  /** The mask for {@link org.lvxattn.CrossAttention}. */
  public Mask mask() {
    return visibility == null ? Mask.none() : Mask.visible(visibility);
  }

  /**
   * int32 {@code [batch, rows]}: 1 for text rows that see an image, 0 for those that the model
   * treats differently; null if every row sees one.
   */
  public @Nullable Tensor live() {
    return live;
  }

  /** Closes the tensors. Closing again does nothing. */
  @Override
  public void close() {
    if (visibility != null) {
      visibility.close();
    }
    if (live != null) {
      live.close();
    }
  }
}
