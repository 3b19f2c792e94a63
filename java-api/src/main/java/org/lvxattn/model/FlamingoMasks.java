// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Arrays;
import org.lvxattn.Device;

/**
 * Masks of OpenFlamingo (open_flamingo {@code helpers.py}). With t(i) the number of image tokens up
 * to and including text row i, a row sees image t(i) alone, or images 1 to t(i). The visual rows of
 * an item are {@code image * latents + latent}. Without media locations, {@link VisualMask#none} is
 * the mask.
 *
 * <p>Rows that see no image differ: with {@link Seen#IMMEDIATE} and t(i) = 0 they attend to
 * nothing; with {@link Seen#IMMEDIATE} and more tokens than images, and with {@link Seen#PREVIOUS}
 * and t(i) = 0, all their logits are the same and they average all visual rows.
 */
public final class FlamingoMasks {
  private FlamingoMasks() {}

  /** Which images a row sees. */
  public enum Seen {
    /** The latest one: {@code only_attend_immediate_media}, the released models' choice. */
    IMMEDIATE,
    /** All up to the latest one. */
    PREVIOUS
  }

  /**
   * The mask of a whole text, or of a piece of one.
   *
   * @param device where the mask lies
   * @param seen which images a row sees
   * @param mediaLocations {@code [batch][text row]} of all text rows, for a piece from the
   *     beginning of the text to the piece's end: whether it is an image token
   * @param images of an item
   * @param latents visual rows of an image
   * @param text this rank's text rows, for a piece {@link RowShard#after} those before it
   * @throws IllegalArgumentException if mediaLocations has not as many rows as text
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
      Checks.require(
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
   * each sees the prompt's last image, or all of its images. For a prompt itself that comes in
   * pieces, {@link #of} is the mask.
   *
   * @param device where the mask lies
   * @param seen which images a row sees
   * @param mediaLocations {@code [batch][prompt row]}: whether it is an image token
   * @param images of an item
   * @param latents visual rows of an image
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
    Checks.present(seen, "seen");
    Checks.require(images >= 0, "images is " + images + "; 0 or more was expected");
    Checks.positive(latents, "latents");
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
