// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.group.Group;
import org.lvxattn.group.Operation;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.layer.LayerOperations;

/**
 * A batch of mPLUG-Owl3: positions of its rows, and which text and images each row sees. Create it
 * once for all layers.
 *
 * <p>Text rows continue the cached ones: a text may be processed in pieces of any length, down to
 * one row. The index of a row counts the cached rows of all ranks and the new rows before it. Each
 * new row sees all cached rows and the new rows up to itself. It also sees the images whose tokens
 * are before it ({@link Owl3Variant}); embeddings of images of later rows may be present already.
 *
 * <p>Texts of unequal length are padded on the left. A row's position is its index minus the number
 * of padding rows of its item. Padding rows see no row and no row sees them, whatever their values
 * are. Their outputs are 0; backward ignores their gradients and returns 0 for them.
 */
public final class Owl3Batch implements AutoCloseable {
  private final Owl3Variant variant;
  private final long cachedRows;
  private final Tensor positions;
  private final @Nullable Tensor live;
  private final Tensor causal;
  private final VisualMask images;
  private final Tensor keyPositions;

  private Owl3Batch(
      Owl3Variant variant,
      long cachedRows,
      Tensor positions,
      @Nullable Tensor live,
      Tensor causal,
      VisualMask images,
      Tensor keyPositions) {
    this.variant = variant;
    this.cachedRows = cachedRows;
    this.positions = positions;
    this.live = live;
    this.causal = causal;
    this.images = images;
    this.keyPositions = keyPositions;
  }

  /**
   * Describes a batch without padding. A collective call.
   *
   * @param group the ranks
   * @param variant of the layers
   * @param images of all items, the same on every rank
   * @param textRows new text rows of this rank, of each item
   * @param cachedRows text rows of this rank, of each item, whose keys and values are cached
   * @param visualRows rows of this rank, of the visual sequence of all images
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a number is negative, or the ranks' visual rows do not add
   *     up to those of the images
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public static Owl3Batch of(
      Group group,
      Owl3Variant variant,
      Owl3Images images,
      long textRows,
      long cachedRows,
      long visualRows) {
    return of(group, variant, images, null, textRows, cachedRows, visualRows);
  }

  /**
   * Describes a batch of texts that are padded on the left to equal length. A collective call;
   * ranks may mix it with the other overload.
   *
   * @param group the ranks
   * @param variant of the layers
   * @param images of all items, the same on every rank; their positions do not count padding rows
   * @param padding {@code [batch]}: how many of this rank's text rows of each item are padding.
   *     These are its first rows, where cached rows precede new ones. With one rank it is the
   *     padding of the text so far; with several, each rank's part of it. Null: no padding
   * @param textRows new text rows of this rank, of each item, padding included
   * @param cachedRows text rows of this rank, of each item, padding included, whose keys and values
   *     are cached
   * @param visualRows rows of this rank, of the visual sequence of all images
   * @throws NullPointerException if another argument is null
   * @throws IllegalArgumentException if a number is negative, padding has not a number for each
   *     item or exceeds the rows, a padding row would follow a row that is not padding, or the
   *     ranks' visual rows do not add up to those of the images
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called a
   *     different collective
   */
  public static Owl3Batch of(
      Group group,
      Owl3Variant variant,
      Owl3Images images,
      int @Nullable [] padding,
      long textRows,
      long cachedRows,
      long visualRows) {
    long[] said;
    try {
      Preconditions.present(variant, "variant");
      Preconditions.present(images, "images");
      said = Owl3Rows.said(images.batch(), padding, textRows, cachedRows, visualRows);
    } catch (RuntimeException | Error e) {
      Preconditions.present(group, "group").decline(Operation.ALL_GATHER, e);
      throw e;
    }
    Owl3Rows rows = Owl3Rows.gather(group, images.batch(), said);
    RowShard visual = rows.visual();
    Preconditions.require(
        visual.total() == images.rows(),
        "the ranks have "
            + visual.total()
            + " visual rows; those of the images, "
            + images.rows()
            + ", were expected");
    Device device = group.device();
    TensorScope made = new TensorScope(device);
    try {
      int[] lives = rows.live();
      Tensor live = lives == null ? null : ofText(made, images.batch(), textRows, lives);
      Tensor positions = ofText(made, images.batch(), textRows, rows.positions());
      Tensor causal = rows.causal().toTensor(device, images.batch(), rows.text());
      made.add(causal);
      VisualMask seen = seen(device, variant, images, rows);
      made.add(seen);
      Tensor keyPositions = images.keyPositions(device, variant, visual);
      return new Owl3Batch(variant, cachedRows, positions, live, causal, seen, keyPositions);
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, made);
      throw e;
    }
  }

  /** int32 [batch, rows]. */
  private static Tensor ofText(TensorScope made, int batch, long rows, int[] values) {
    Tensor tensor = Tensor.of(made.device(), values, batch, rows);
    made.add(tensor);
    return tensor;
  }

  private static VisualMask seen(
      Device device, Owl3Variant variant, Owl3Images images, Owl3Rows text) {
    int rows = Math.toIntExact(text.text().total());
    RowRanges ranges = new RowRanges(images.batch(), rows);
    boolean[] live = new boolean[images.batch() * rows];
    long first = 0; // visual row of the item
    for (int item = 0; item < images.batch(); item++) {
      int[] tokens = images.positions(item);
      for (int row = 0; row < rows; row++) {
        int count = 0;
        while (count < tokens.length && variant.sees(text.position(item, row), tokens[count])) {
          count++;
        }
        ranges.add(item, row, first, first + (long) count * images.tokensPerImage());
        live[item * rows + row] = count > 0;
      }
      first += (long) tokens.length * images.tokensPerImage();
    }
    return VisualMask.ofFolded(device, ranges, live, text.text());
  }

  Owl3Variant variant() {
    return variant;
  }

  /** Cached rows of this rank, of each item. */
  long cachedRows() {
    return cachedRows;
  }

  /** int32 [batch, rows]. */
  Tensor positions() {
    return positions;
  }

  /** A copy of x in the scope with zeros in padding rows, or x itself if there is no padding. */
  Tensor withoutPadding(TensorScope scope, Tensor x) {
    return live == null ? x : clearPadding(scope.like(x).copyFrom(x));
  }

  /** Fills padding rows with zeros, in-place. */
  Tensor clearPadding(Tensor x) {
    if (live != null) {
      LayerOperations.clearRows(live, x);
    }
    return x;
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

  /** Closes the tensors. Closing again does nothing. */
  @Override
  public void close() {
    positions.close();
    if (live != null) {
      live.close();
    }
    causal.close();
    images.close();
    keyPositions.close();
  }
}
