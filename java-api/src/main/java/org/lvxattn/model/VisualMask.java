// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.Tensor;

/**
 * Which visual rows each of this rank's text rows sees, and which text rows see any. Made once for
 * a batch by {@link LlamaMasks}, {@link FlamingoMasks} or {@link Owl3Batch}; all layers use it.
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
   * @param live for all rows of each batch item, [batch * rows], whether it sees an image
   */
  static VisualMask of(Device device, RowRanges ranges, boolean[] live, RowShard shard) {
    return of(device, ranges.toTensor(device, ranges.batch(), shard), ranges, live, shard);
  }

  /** As above, for a visual side that is one item for the rows of all items. */
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
      return new VisualMask(visibility, Scope.filled(device, flags, ranges.batch(), rows));
    } catch (RuntimeException e) {
      visibility.close();
      throw e;
    }
  }

  /** As attention takes it. */
  public Mask mask() {
    return visibility == null ? Mask.none() : Mask.visible(visibility);
  }

  /**
   * int32 {@code [batch, rows]}: 1 for text rows that see an image, 0 for those to which the model
   * does something else; null if every row sees one.
   */
  public @Nullable Tensor live() {
    return live;
  }

  /**
   * Closes what it holds.
   *
   * @throws IllegalStateException if that was done already
   */
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
