// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Arrays;
import org.lvxattn.Device;
import org.lvxattn.internal.Preconditions;

/**
 * Masks of OpenFlamingo (open_flamingo {@code helpers.py}). Let t(i) be the number of image tokens
 * up to and including text row i. Row i sees only image t(i), or images 1 to t(i). The visual rows
 * of an item are {@code image * latents + latent}. Without media locations, use {@link
 * VisualMask#none}.
 *
 * <p>There are two kinds of rows that see no image. With {@link Seen#IMMEDIATE} and t(i) = 0 a row
 * attends to nothing. With {@link Seen#IMMEDIATE} and more tokens than images, and with {@link
 * Seen#PREVIOUS} and t(i) = 0, all logits of the row are equal, and it averages all visual rows.
 */
public final class FlamingoMasks {
  private FlamingoMasks() {}

  /** Which images a row sees. */
  public enum Seen {
    /** Only the latest one: {@code only_attend_immediate_media}, as in the released models. */
    IMMEDIATE,
    /** All images up to the latest one. */
    PREVIOUS
  }

  /**
   * The mask of a whole text, or of a piece of a text.
   *
   * @param device where to allocate the mask
   * @param seen which images a row sees
   * @param mediaLocations {@code [batch][text row]} of all text rows: whether it is an image token.
   *     For a piece: the rows from the beginning of the text to the end of the piece
   * @param images number of images of an item
   * @param latents number of visual rows of an image
   * @param text this rank's text rows; for a piece, {@link RowShard#after} the earlier rows
   * @throws IllegalArgumentException if mediaLocations and text differ in rows
   */
  public static VisualMask of(
      Device device,
      Seen seen,
      boolean[][] mediaLocations,
      int images,
      int latents,
      RowShard text) {
    int rows = Math.toIntExact(text.total());
    int[][] counts = new int[mediaLocations.length][rows];
    for (int item = 0; item < counts.length; item++) {
      Preconditions.require(
          mediaLocations[item].length == rows,
          "mediaLocations["
              + item
              + "] has "
              + mediaLocations[item].length
              + " rows; "
              + rows
              + " of all ranks were expected");
      int count = 0;
      for (int row = 0; row < rows; row++) {
        count += mediaLocations[item][row] ? 1 : 0;
        counts[item][row] = count;
      }
    }
    return of(device, seen, counts, images, latents, text);
  }

  /**
   * The mask of text rows that follow a prompt whose images are cached ({@code use_cached_media}):
   * each row sees the prompt's last image, or all of its images. For pieces of the prompt itself,
   * use {@link #of}.
   *
   * @param device where to allocate the mask
   * @param seen which images a row sees
   * @param mediaLocations {@code [batch][prompt row]}: whether it is an image token
   * @param images number of images of an item
   * @param latents number of visual rows of an image
   * @param text this rank's text rows
   */
  public static VisualMask ofCached(
      Device device,
      Seen seen,
      boolean[][] mediaLocations,
      int images,
      int latents,
      RowShard text) {
    int[][] counts = new int[mediaLocations.length][Math.toIntExact(text.total())];
    for (int item = 0; item < counts.length; item++) {
      int count = 0;
      for (boolean token : mediaLocations[item]) {
        count += token ? 1 : 0;
      }
      Arrays.fill(counts[item], count);
    }
    return of(device, seen, counts, images, latents, text);
  }

  private static VisualMask of(
      Device device, Seen seen, int[][] counts, int images, int latents, RowShard text) {
    Preconditions.present(seen, "seen");
    Preconditions.require(images >= 0, "images is " + images + "; 0 or more was expected");
    Preconditions.positive(latents, "latents");
    int rows = Math.toIntExact(text.total());
    RowRanges ranges = new RowRanges(counts.length, rows);
    boolean[] live = new boolean[counts.length * rows];
    for (int item = 0; item < counts.length; item++) {
      for (int row = 0; row < rows; row++) {
        int count = counts[item][row];
        boolean immediate = seen == Seen.IMMEDIATE;
        boolean sees = count > 0 && (count <= images || !immediate);
        live[item * rows + row] = sees;
        if (sees) {
          long first = immediate ? count - 1 : 0;
          ranges.add(item, row, first * latents, (long) Math.min(count, images) * latents);
        } else if (count > 0 || !immediate) {
          ranges.add(item, row, 0, (long) images * latents);
        }
      }
    }
    return VisualMask.of(device, ranges, live, text);
  }
}
