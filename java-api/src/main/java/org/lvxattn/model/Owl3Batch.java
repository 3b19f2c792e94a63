// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.LayerOperations;
import org.lvxattn.Mask;
import org.lvxattn.Operation;
import org.lvxattn.Tensor;

/**
 * What every mPLUG-Owl3 layer needs to know of a batch: where its rows stand, which text and which
 * images each sees. Made once, used by all layers.
 *
 * <p>Text rows continue those that are cached: a text may come in pieces of any length, down to one
 * row. The index of a row counts the cached rows of all ranks and the new rows before it. Each new
 * row sees all cached rows and the new rows up to itself, and the images whose tokens lie before it
 * ({@link Owl3Variant}), whether or not their embeddings are there for later rows already.
 *
 * <p>Texts of unequal length are padded on the left. A row's position is its index less the padded
 * rows of its item. Padded rows see nothing and nothing sees them, whatever they hold: their
 * outputs are 0, and so is all that backward gives or takes.
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
   * Describes a batch without padding to this rank. A collective call.
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
    return of(group, variant, images, null, textRows, cachedRows, visualRows);
  }

  /**
   * Describes a batch of texts that are padded on the left to equal length. A collective call, the
   * same as the other form.
   *
   * @param group the ranks
   * @param variant the layers' operator
   * @param images of all items, the same on every rank; their positions do not count padded rows
   * @param padding {@code [batch]}: of each item, how many of this rank's text rows are padding:
   *     the first ones, those cached counted before the new ones. With one rank, the padding of the
   *     text as far as it has come; over several, each rank's share of it. Null: none
   * @param textRows new text rows of this rank, of each item, padded ones included
   * @param cachedRows text rows of this rank, of each item, padded ones included, whose keys and
   *     values are cached
   * @param visualRows of this rank, of the one sequence of all images
   * @throws NullPointerException if another argument is null
   * @throws IllegalArgumentException if a number is negative, padding has not a number for each
   *     item or exceeds the rows, the ranks' shares leave a padded row behind one that is not, or
   *     the ranks' visual rows are not those of the images
   * @throws org.lvxattn.GroupException if a peer left, did not answer in time, or called something
   *     else
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
      Checks.present(variant, "variant");
      Checks.present(images, "images");
      said = Owl3Rows.said(images.batch(), padding, textRows, cachedRows, visualRows);
    } catch (RuntimeException e) {
      throw Checks.present(group, "group").decline(Operation.ALL_GATHER, e);
    }
    Owl3Rows rows = Owl3Rows.gather(group, images.batch(), said);
    RowShard visual = rows.visual();
    Checks.require(
        visual.total() == images.rows(),
        "the ranks have "
            + visual.total()
            + " visual rows; those of the images, "
            + images.rows()
            + ", were expected");
    Device device = group.device();
    Scope made = new Scope(device);
    try {
      int[] lives = rows.live();
      Tensor live = lives == null ? null : ofText(made, images.batch(), textRows, lives);
      Tensor positions = ofText(made, images.batch(), textRows, rows.positions());
      Tensor causal = rows.causal().toTensor(device, images.batch(), rows.text());
      made.atEnd(causal::close);
      VisualMask seen = seen(device, variant, images, rows);
      made.atEnd(seen::close);
      Tensor keyPositions = images.keyPositions(device, variant, visual);
      return new Owl3Batch(variant, cachedRows, positions, live, causal, seen, keyPositions);
    } catch (RuntimeException e) {
      made.closeAfter(e);
      throw e;
    }
  }

  /** int32 [batch, rows]. */
  private static Tensor ofText(Scope made, int batch, long rows, int[] values) {
    Tensor tensor = Scope.filled(made.device(), values, batch, rows);
    made.atEnd(tensor::close);
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

  /** Of this rank, of each item. */
  long cachedRows() {
    return cachedRows;
  }

  /** int32 [batch, rows]. */
  Tensor positions() {
    return positions;
  }

  /** Fills padded rows with zeros: x itself if there are none, else a copy in the scope. */
  Tensor withoutPadding(Scope scope, Tensor x) {
    return live == null ? x : clearPadding(scope.like(x).copyFrom(x));
  }

  /** Fills padded rows with zeros, in place. */
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

  /**
   * Closes what it holds.
   *
   * @throws IllegalStateException if that was done already
   */
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
