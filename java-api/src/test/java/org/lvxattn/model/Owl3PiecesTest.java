// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.lvxattn.group.Group;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.model.Owl3Prompts.Piece;
import org.lvxattn.testing.Seeds;

/**
 * Prompts in pieces of any size, down to one row, each sharded arbitrarily over the ranks, equal
 * the whole prompt on one rank. Padded prompts of a batch equal each prompt alone.
 */
class Owl3PiecesTest {
  private static final boolean LONG =
      Boolean.getBoolean("lvxattn.long") || "1".equals(System.getenv("LVX_LONG"));
  private static final long SEED = Seeds.moved(20261130);
  private static final int ROUNDS = LONG ? 600 : 30;

  @ParameterizedTest
  @EnumSource
  void everyWayToCutAPromptEqualsTheWhole(Owl3Variant variant) {
    int[][] positions = {{0, 3}, {2}, {}, {1, 4}};
    Owl3Prompts prompts = new Owl3Prompts(variant, 5, positions, new int[4], SEED);
    double[] expected = prompts.whole();
    for (int cuts = 0; cuts < 1 << 4; cuts++) {
      List<Piece> pieces = new ArrayList<>();
      int begin = 0;
      for (int end = 1; end <= 5; end++) {
        if (end == 5 || (cuts >> (end - 1) & 1) == 1) {
          pieces.add(new Piece(List.of(begin, end), cuts % 2 == 0, cuts % 3 > 0));
          begin = end;
        }
      }
      requireSame(prompts.inPieces(1, pieces), expected, "cuts " + Integer.toBinaryString(cuts));
    }
  }

  @ParameterizedTest
  @EnumSource
  void randomPiecesOverRanksEqualTheWhole(Owl3Variant variant) {
    for (int round = 0; round < ROUNDS; round++) {
      long seed = SEED + round;
      Random random = new Random(seed);
      int batch = 1 + random.nextInt(3);
      int rows = 1 + random.nextInt(9);
      int[][] positions = Owl3Prompts.positions(random, batch, rows);
      Owl3Prompts prompts = new Owl3Prompts(variant, rows, positions, new int[batch], seed);
      int ranks = 1 + random.nextInt(3);
      List<Piece> pieces = Owl3Prompts.pieces(random, rows, ranks);
      requireSame(
          prompts.inPieces(ranks, pieces),
          prompts.whole(),
          "round " + round + ": " + prompts + " over " + ranks + " ranks in " + pieces);
    }
  }

  @ParameterizedTest
  @EnumSource
  void paddedPromptsEqualEachAlone(Owl3Variant variant) {
    for (int round = 0; round < ROUNDS; round++) {
      long seed = SEED + round;
      Random random = new Random(seed);
      int batch = 1 + random.nextInt(3);
      int rows = 2 + random.nextInt(8);
      int[] padding = random.ints(batch, 0, rows + 1).toArray();
      int[][] positions = new int[batch][];
      for (int item = 0; item < batch; item++) {
        positions[item] = Owl3Prompts.positions(random, 1, rows - padding[item])[0];
      }
      Owl3Prompts prompts = new Owl3Prompts(variant, rows, positions, padding, seed);
      int ranks = 1 + random.nextInt(3);
      List<Piece> pieces = Owl3Prompts.pieces(random, rows, ranks);
      requireSame(
          prompts.inPieces(ranks, pieces),
          prompts.eachAlone(),
          "round " + round + ": " + prompts + " over " + ranks + " ranks in " + pieces);
    }
  }

  /** Gradients: zero for padding rows, otherwise the sum over the prompts. */
  @ParameterizedTest
  @EnumSource
  void gradientsOfPaddedPromptsAreThoseOfEachAlone(Owl3Variant variant) {
    int[][] positions = {{0, 2}, {1}, {}};
    Owl3Prompts prompts = new Owl3Prompts(variant, 6, positions, new int[] {1, 3, 6}, SEED);
    double[] expected = prompts.gradientsOfEachAlone();
    for (int ranks = 1; ranks <= 3; ranks++) {
      requireSame(prompts.gradients(ranks), expected, variant + " over " + ranks + " ranks");
    }
  }

  @Test
  void paddingThatIsNotInFrontIsRefusedOnEveryRank() {
    Owl3Images images = new Owl3Images(new int[][] {{0}, {}}, 4);
    LocalWorld.run(
        2,
        group -> {
          int visual = group.rank() == 0 ? 4 : 0;
          // The first rank has 3 rows, so 2 of them plus the first row of another rank cannot be
          // padding.
          int[] padding = {group.rank() == 0 ? 2 : 1, 0};
          assertThatThrownBy(() -> batch(group, images, padding, visual))
              .isInstanceOf(IllegalArgumentException.class)
              .hasMessageContaining("padding of item 0 is [2, 1] by rank, 3 rows in front of all")
              .hasMessageContaining("rank 0 that makes 3 padded, but 2 would be");
          batch(group, images, new int[] {group.rank() == 0 ? 3 : 1, 0}, visual).close();
          return 0;
        });
    LocalWorld.run(
        1,
        group -> {
          assertThatThrownBy(() -> batch(group, images, new int[] {1}, 4))
              .hasMessageContaining("padding has 1 numbers; one for each item, 2, expected");
          return 0;
        });
    LocalWorld.run(
        1,
        group -> {
          assertThatThrownBy(() -> batch(group, images, new int[] {0, 4}, 4))
              .hasMessageContaining("padding[1] is 4; 0 to 3, the rows of this rank, was expected");
          return 0;
        });
  }

  private static Owl3Batch batch(Group group, Owl3Images images, int[] padding, int visual) {
    return Owl3Batch.of(group, Owl3Variant.FUSED, images, padding, 3, 0, visual);
  }

  private static void requireSame(double[] found, double[] expected, String what) {
    assertThat(found).as(what).hasSameSizeAs(expected);
    double worst = 0;
    for (int i = 0; i < found.length; i++) {
      assertThat(found[i]).as("%s: element %s", what, i).isFinite();
      worst = Math.max(worst, Math.abs(found[i] - expected[i]));
    }
    assertThat(worst / Math.max(1, largest(expected))).as(what).isLessThan(1e-11);
  }

  private static double largest(double[] values) {
    return Arrays.stream(values).map(Math::abs).max().orElse(0);
  }
}
