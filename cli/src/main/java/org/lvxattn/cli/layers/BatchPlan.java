// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.layers;

import java.util.Arrays;
import org.lvxattn.Device;
import org.lvxattn.model.EmptyRows;
import org.lvxattn.model.FlamingoMasks;
import org.lvxattn.model.LlamaMasks;
import org.lvxattn.model.Owl3Images;
import org.lvxattn.model.RowShard;
import org.lvxattn.model.VisualMask;
import org.lvxattn.oracle.Split;

/**
 * A batch of videos with their texts. Text rows and visual rows are sharded evenly over the ranks.
 * The first text rows of an item are the tokens of its frames, in order. A row sees the frames
 * whose tokens are at or before it.
 *
 * @param batch number of items
 * @param frames number of frames of an item
 * @param tokensPerFrame number of visual rows of a frame
 * @param textRows number of text rows of an item
 * @param ranks number of ranks
 * @param masked if false, every row sees every frame, if the family allows it
 */
public record BatchPlan(
    int batch, int frames, int tokensPerFrame, int textRows, int ranks, boolean masked) {
  /** Number of visual rows of an item. */
  public int visualRows() {
    return Math.multiplyExact(frames, tokensPerFrame);
  }

  /** A rank's text rows, of each item. */
  public RowShard text(int rank) {
    Split split = Split.even(textRows, ranks);
    return new RowShard(split.begin(rank), split.end(rank), textRows);
  }

  /** A rank's visual rows. */
  public VisualShard visual(Family family, int rank) {
    // The images of all items of mPLUG-Owl3 are one sequence.
    int sequences = family == Family.MPLUG_OWL3 ? 1 : batch;
    long rows = (long) batch * visualRows() / sequences;
    Split split = Split.even(rows, ranks);
    return new VisualShard(sequences, split.begin(rank), split.rows(rank), visualRows());
  }

  VisualMask mask(Device device, Family family, int rank) {
    if (!masked) {
      return VisualMask.none();
    }
    return switch (family) {
      case LLAMA3V ->
          LlamaMasks.of(device, tiles(), tokensPerFrame, EmptyRows.ATTEND_ALL, text(rank));
      case OPENFLAMINGO ->
          FlamingoMasks.of(
              device,
              FlamingoMasks.Seen.PREVIOUS,
              frameTokens(),
              frames,
              tokensPerFrame,
              text(rank));
      case MPLUG_OWL3 -> throw new IllegalArgumentException("its batch has the mask");
    };
  }

  /** Each frame as an image of one tile. */
  private boolean[][][][] tiles() {
    boolean[][][][] seen = new boolean[batch][textRows][frames][1];
    for (boolean[][][] item : seen) {
      for (int row = 0; row < textRows; row++) {
        for (int frame = 0; frame <= Math.min(row, frames - 1); frame++) {
          item[row][frame][0] = true;
        }
      }
    }
    return seen;
  }

  private boolean[][] frameTokens() {
    boolean[][] tokens = new boolean[batch][textRows];
    for (boolean[] item : tokens) {
      Arrays.fill(item, 0, frames, true);
    }
    return tokens;
  }

  Owl3Images images() {
    int[][] positions = new int[batch][frames];
    for (int[] item : positions) {
      Arrays.setAll(item, frame -> frame);
    }
    return new Owl3Images(positions, tokensPerFrame);
  }
}
