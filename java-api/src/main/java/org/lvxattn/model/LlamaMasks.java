// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Arrays;
import org.lvxattn.Device;
import org.lvxattn.internal.Preconditions;

/**
 * Masks of Llama 3-V, as its processor makes them (transformers {@code processing_mllama.py}). The
 * visual rows of an item are {@code (image * tiles + tile) * tokensPerTile + token}; padding tiles
 * occupy rows like real ones.
 */
public final class LlamaMasks {
  private LlamaMasks() {}

  /**
   * The mask of a {@code cross_attention_mask}, for a whole text or a piece of a text.
   *
   * @param device where to allocate the mask
   * @param tiles {@code [batch][text row][image][tile]} of all text rows: whether the row sees the
   *     tile. For a piece: the rows from the beginning of the text to the end of the piece
   * @param tokensPerTile number of visual rows of a tile
   * @param emptyRows how text rows that see no tile are treated
   * @param text this rank's text rows; for a piece, {@link RowShard#after} the earlier rows
   * @throws IllegalArgumentException if the array is ragged or has not one row for each text row
   */
  public static VisualMask of(
      Device device, boolean[][][][] tiles, int tokensPerTile, EmptyRows emptyRows, RowShard text) {
    Preconditions.positive(tokensPerTile, "tokensPerTile");
    Preconditions.present(emptyRows, "emptyRows");
    int rows = Math.toIntExact(text.total());
    RowRanges ranges = new RowRanges(tiles.length, rows);
    boolean[] live = new boolean[tiles.length * rows];
    for (int item = 0; item < tiles.length; item++) {
      Preconditions.require(
          tiles[item].length == rows,
          "item "
              + item
              + " has "
              + tiles[item].length
              + " text rows; "
              + rows
              + " of all ranks were expected");
      for (int row = 0; row < rows; row++) {
        boolean[] seen = flatten(tiles[item][row], tiles[0][0]);
        for (int tile = 0; tile < seen.length; tile++) {
          if (seen[tile]) {
            ranges.add(item, row, (long) tile * tokensPerTile, (tile + 1L) * tokensPerTile);
          }
        }
        live[item * rows + row] = !ranges.isEmpty(item, row);
        if (!live[item * rows + row] && emptyRows == EmptyRows.ATTEND_ALL) {
          ranges.add(item, row, 0, (long) seen.length * tokensPerTile);
        }
      }
    }
    return VisualMask.of(device, ranges, live, text);
  }

  /**
   * The {@code cross_attention_mask} that the processor derives from the positions of image tokens.
   * An image is visible from its token up to the next image token. Images of directly adjacent
   * tokens stay visible as long as the last of them.
   *
   * @param positions {@code [batch][image]}: text rows of the image tokens, ascending
   * @param realTiles {@code [batch][image]}: number of tiles of each image that are not padding
   * @param rows number of text rows of all ranks
   * @param images number of images that an item has room for
   * @param tiles number of tiles that an image has room for
   * @return {@code [batch][text row][image][tile]}
   * @throws IllegalArgumentException if positions do not ascend within the rows, or there are more
   *     images or tiles than there is room for
   */
  public static boolean[][][][] fromImageTokens(
      int[][] positions, int[][] realTiles, int rows, int images, int tiles) {
    Preconditions.require(
        positions.length == realTiles.length,
        "realTiles has "
            + realTiles.length
            + " items; as many as positions, "
            + positions.length
            + ", were expected");
    boolean[][][][] mask = new boolean[positions.length][rows][images][tiles];
    for (int item = 0; item < positions.length; item++) {
      int[] tokens = positions[item];
      Preconditions.require(
          tokens.length == realTiles[item].length && tokens.length <= images,
          "item "
              + item
              + " has "
              + tokens.length
              + " image tokens and "
              + realTiles[item].length
              + " images; as many of both were expected, at most "
              + images);
      int end = rows;
      for (int image = tokens.length - 1; image >= 0; image--) {
        int next = image + 1 < tokens.length ? tokens[image + 1] : rows;
        Preconditions.require(
            tokens[image] >= 0 && tokens[image] < next,
            "positions[" + item + "] do not ascend from 0 to " + (rows - 1));
        int real = realTiles[item][image];
        Preconditions.require(
            real >= 0 && real <= tiles,
            "realTiles[" + item + "][" + image + "] is " + real + "; 0 to " + tiles + " expected");
        end = next == tokens[image] + 1 ? end : next;
        for (int row = tokens[image]; row < end; row++) {
          Arrays.fill(mask[item][row][image], 0, real, true);
        }
      }
    }
    return mask;
  }

  private static boolean[] flatten(boolean[][] images, boolean[][] first) {
    int tiles = first.length == 0 ? 0 : first[0].length;
    boolean[] flat = new boolean[first.length * tiles];
    Preconditions.require(images.length == first.length, "tiles is ragged: rows differ in images");
    for (int image = 0; image < images.length; image++) {
      Preconditions.require(
          images[image].length == tiles, "tiles is ragged: images differ in tiles");
      System.arraycopy(images[image], 0, flat, image * tiles, tiles);
    }
    return flat;
  }
}
