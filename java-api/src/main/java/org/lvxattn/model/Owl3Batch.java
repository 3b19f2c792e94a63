// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Arrays;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.Mask;
import org.lvxattn.Operation;
import org.lvxattn.Tensor;

/**
 * What every mPLUG-Owl3 layer needs to know of a batch: where its rows stand, which text and which
 * images each sees. Made once, used by all layers.
 *
 * <p>Text rows continue those that are cached: the position of a row counts the cached rows of all
 * ranks and the new rows before it. Each new row sees all cached rows and the new rows up to
 * itself. While one row is decoded on top of a cache, it sees every image of its item.
 */
public final class Owl3Batch implements AutoCloseable {
  private final Owl3Variant variant;
  private final long cachedRows;
  private final Tensor positions;
  private final Tensor causal;
  private final VisualMask images;
  private final Tensor keyPositions;

  private Owl3Batch(
      Owl3Variant variant,
      long cachedRows,
      Tensor positions,
      Tensor causal,
      VisualMask images,
      Tensor keyPositions) {
    this.variant = variant;
    this.cachedRows = cachedRows;
    this.positions = positions;
    this.causal = causal;
    this.images = images;
    this.keyPositions = keyPositions;
  }

  /**
   * Describes a batch to this rank. A collective call.
   *
   * @param group the ranks
   * @param variant the layers' operator
   * @param images of all items, the same on every rank
   * @param textRows new text rows of this rank, of each item
   * @param cachedRows text rows of this rank, of each item, whose keys and values are cached
   * @param visualRows of this rank, of the one sequence of all images
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a number is negative, or the ranks' visual rows are not
   *     those of the images
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called something
   *     else
   */
  public static Owl3Batch of(
      Group group,
      Owl3Variant variant,
      Owl3Images images,
      long textRows,
      long cachedRows,
      long visualRows) {
    try {
      Checks.present(variant, "variant");
      Checks.present(images, "images");
      Checks.require(
          textRows >= 0 && cachedRows >= 0 && visualRows >= 0,
          "textRows is "
              + textRows
              + ", cachedRows "
              + cachedRows
              + ", visualRows "
              + visualRows
              + "; 0 or more was expected");
    } catch (RuntimeException e) {
      throw Checks.present(group, "group").decline(Operation.ALL_GATHER, e);
    }
    RowShard text = RowShard.of(group, textRows);
    RowShard visual = RowShard.of(group, visualRows);
    long[] fresh = RowShard.gather(group, textRows);
    long[] cached = RowShard.gather(group, cachedRows);
    Checks.require(
        visual.total() == images.rows(),
        "the ranks have "
            + visual.total()
            + " visual rows; those of the images, "
            + images.rows()
            + ", were expected");
    long past = Arrays.stream(cached).sum();
    Device device = group.device();
    Scope made = new Scope(device);
    try {
      Tensor positions = positions(device, images.batch(), past, text);
      made.atEnd(positions::close);
      Tensor causal = causal(images.batch(), fresh, cached).toTensor(device, images.batch(), text);
      made.atEnd(causal::close);
      VisualMask seen = seen(device, variant, images, past, text);
      made.atEnd(seen::close);
      Tensor keyPositions = images.keyPositions(device, variant, visual);
      return new Owl3Batch(variant, cachedRows, positions, causal, seen, keyPositions);
    } catch (RuntimeException e) {
      made.closeAfter(e);
      throw e;
    }
  }

  private static Tensor positions(Device device, int batch, long past, RowShard text) {
    int rows = Math.toIntExact(text.rows());
    int[] values = new int[batch * rows];
    Arrays.setAll(values, i -> Math.toIntExact(past + text.begin() + i % rows));
    return Scope.filled(device, values, batch, rows);
  }

  /** Keys are each rank's cached rows followed by its new ones. */
  private static RowRanges causal(int batch, long[] fresh, long[] cached) {
    int rows = Math.toIntExact(Arrays.stream(fresh).sum());
    RowRanges ranges = new RowRanges(batch, rows);
    for (int item = 0; item < batch; item++) {
      for (int row = 0; row < rows; row++) {
        long key = 0;
        long first = 0; // new row of the rank
        for (int rank = 0; rank < fresh.length; rank++) {
          long seen = Math.clamp(row + 1 - first, 0, fresh[rank]);
          ranges.add(item, row, key, key + cached[rank] + seen);
          key += cached[rank] + fresh[rank];
          first += fresh[rank];
        }
      }
    }
    return ranges;
  }

  private static VisualMask seen(
      Device device, Owl3Variant variant, Owl3Images images, long past, RowShard text) {
    int rows = Math.toIntExact(text.total());
    boolean decoding = rows == 1 && past > 0;
    RowRanges ranges = new RowRanges(images.batch(), rows);
    boolean[] live = new boolean[images.batch() * rows];
    long first = 0; // visual row of the item
    for (int item = 0; item < images.batch(); item++) {
      int[] tokens = images.positions(item);
      for (int row = 0; row < rows; row++) {
        int count = 0;
        while (count < tokens.length && (decoding || variant.sees(past + row, tokens[count]))) {
          count++;
        }
        ranges.add(item, row, first, first + (long) count * images.tokensPerImage());
        live[item * rows + row] = count > 0;
      }
      first += (long) tokens.length * images.tokensPerImage();
    }
    return VisualMask.ofFolded(device, ranges, live, text);
  }

  Owl3Variant variant() {
    return variant;
  }

  /** Of this rank, of each item. */
  long cachedRows() {
    return cachedRows;
  }

  /** int32 [batch, rows]. */
  Tensor positions() {
    return positions;
  }

  /** Which text rows each text row sees. */
  Mask text() {
    return Mask.visible(causal);
  }

  /** Which images each text row sees. */
  VisualMask images() {
    return images;
  }

  /** int32 [1, visual rows]. */
  Tensor keyPositions() {
    return keyPositions;
  }

  /**
   * Closes what it holds.
   *
   * @throws IllegalStateException if that was done already
   */
  @Override
  public void close() {
    positions.close();
    causal.close();
    images.close();
    keyPositions.close();
  }
}
