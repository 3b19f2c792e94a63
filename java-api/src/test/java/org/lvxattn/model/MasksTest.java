// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;

/** Masks against hand-made expectations, and rejected arguments. */
class MasksTest {
  private final Device device = Device.cpu();

  @AfterEach
  void close() {
    device.close();
  }

  @Test
  void llamaSeesTheLatestImageAndAdjacentOnesTogether() {
    // Image tokens at 1, 2 (adjacent) and 4 of 6 rows.
    boolean[][][][] tiles =
        LlamaMasks.fromImageTokens(new int[][] {{1, 2, 4}}, new int[][] {{1, 2, 1}}, 6, 3, 2);
    boolean[] nothing = {false, false};
    boolean[] first = {true, false};
    boolean[] both = {true, true};
    assertThat(tiles[0][0]).isDeepEqualTo(new boolean[][] {nothing, nothing, nothing});
    assertThat(tiles[0][1]).isDeepEqualTo(new boolean[][] {first, nothing, nothing});
    assertThat(tiles[0][2]).isDeepEqualTo(new boolean[][] {first, both, nothing});
    assertThat(tiles[0][3]).isDeepEqualTo(new boolean[][] {first, both, nothing});
    assertThat(tiles[0][4]).isDeepEqualTo(new boolean[][] {nothing, nothing, first});
    assertThat(tiles[0][5]).isDeepEqualTo(new boolean[][] {nothing, nothing, first});
  }

  @Test
  void llamaTilesBecomeRanges() {
    boolean[][][][] tiles = {
      {
        {{false, false}, {false, false}},
        {{true, false}, {true, true}},
        {{true, true}, {true, false}}
      }
    };
    RowShard last = new RowShard(1, 3, 3);
    try (VisualMask mask = LlamaMasks.of(device, tiles, 10, EmptyRows.ZERO, last)) {
      assertThat(ranges(mask)).containsExactly(0, 10, 20, 40, 0, 30, 0, 0);
      assertThat(live(mask)).containsExactly(1, 1);
    }
    RowShard first = new RowShard(0, 1, 3);
    try (VisualMask zero = LlamaMasks.of(device, tiles, 10, EmptyRows.ZERO, first);
        VisualMask all = LlamaMasks.of(device, tiles, 10, EmptyRows.ATTEND_ALL, first)) {
      assertThat(ranges(zero)).containsExactly(0, 0, 0, 0);
      assertThat(ranges(all)).containsExactly(0, 40, 0, 0);
      assertThat(live(zero)).containsExactly(0);
      assertThat(live(all)).containsExactly(0);
    }
  }

  @Test
  void flamingoSeesOneImageOrAllBefore() {
    boolean[][] locations = {{false, true, false, true, true}};
    RowShard text = RowShard.whole(5);
    try (VisualMask mask =
            FlamingoMasks.of(device, FlamingoMasks.Seen.IMMEDIATE, locations, 2, 8, text);
        VisualMask previous =
            FlamingoMasks.of(device, FlamingoMasks.Seen.PREVIOUS, locations, 2, 8, text)) {
      // No image; image 1 twice; image 2; more tokens than images: everything.
      assertThat(ranges(mask)).containsExactly(0, 0, 0, 8, 0, 8, 8, 16, 0, 16);
      assertThat(live(mask)).containsExactly(0, 1, 1, 1, 0);
      // Rows without an earlier image see everything.
      assertThat(ranges(previous)).containsExactly(0, 16, 0, 8, 0, 8, 0, 16, 0, 16);
      assertThat(live(previous)).containsExactly(0, 1, 1, 1, 1);
    }
  }

  @Test
  void flamingoDecodesOnTheLastCachedImage() {
    boolean[][] prompt = {{true, false, true, false}, {false, false, false, false}};
    try (VisualMask mask =
        FlamingoMasks.ofCached(
            device, FlamingoMasks.Seen.IMMEDIATE, prompt, 2, 8, RowShard.whole(1))) {
      assertThat(ranges(mask)).containsExactly(8, 16, 0, 0);
      assertThat(live(mask)).containsExactly(1, 0);
    }
  }

  @Test
  void owl3SeesTheImagesBeforeARow() {
    Owl3Images images = new Owl3Images(new int[][] {{0, 2}, {}, {1}}, 4);
    try (Group group = Group.self(device);
        Owl3Batch gated = Owl3Batch.of(group, Owl3Variant.GATED, images, 3, 0, 12);
        Owl3Batch fused = Owl3Batch.of(group, Owl3Variant.FUSED, images, 3, 0, 12)) {
      assertThat(ranges(gated.images()))
          .containsExactly(0, 0, 0, 4, 0, 4, /**/ 0, 0, 0, 0, 0, 0, /**/ 0, 0, 0, 0, 8, 12);
      assertThat(ranges(fused.images()))
          .containsExactly(0, 4, 0, 4, 0, 8, /**/ 0, 0, 0, 0, 0, 0, /**/ 0, 0, 8, 12, 8, 12);
      assertThat(live(gated.images())).containsExactly(0, 1, 1, 0, 0, 0, 0, 0, 1);
      assertThat(gated.keyPositions().toInts()).containsExactly(1, 1, 1, 1, 3, 3, 3, 3, 2, 2, 2, 2);
      assertThat(fused.keyPositions().toInts()).containsExactly(0, 0, 0, 0, 2, 2, 2, 2, 1, 1, 1, 1);
      assertThat(Objects.requireNonNull(gated.text().visibility()).toInts())
          .startsWith(0, 1, 0, 2, 0, 3, 0, 1);
      assertThat(gated.positions().toInts()).containsExactly(0, 1, 2, 0, 1, 2, 0, 1, 2);
    }
  }

  @Test
  void owl3DecodesOnTheImagesBeforeTheRow() {
    Owl3Images images = new Owl3Images(new int[][] {{0, 9}}, 4);
    try (Group group = Group.self(device);
        Owl3Batch batch = Owl3Batch.of(group, Owl3Variant.GATED, images, 1, 5, 8);
        Owl3Batch later = Owl3Batch.of(group, Owl3Variant.GATED, images, 1, 10, 8)) {
      assertThat(ranges(batch.images())).containsExactly(0, 4);
      assertThat(ranges(later.images())).containsExactly(0, 8);
      assertThat(batch.positions().toInts()).containsExactly(5);
      assertThat(Objects.requireNonNull(batch.text().visibility()).toInts()).containsExactly(0, 6);
    }
  }

  @Test
  void owl3HidesPaddedRowsAndCountsFromTheFirstOther() {
    Owl3Images images = new Owl3Images(new int[][] {{0}, {1}}, 4);
    try (Group group = Group.self(device);
        Owl3Batch batch =
            Owl3Batch.of(group, Owl3Variant.FUSED, images, new int[] {2, 1}, 3, 1, 8)) {
      assertThat(batch.positions().toInts()).containsExactly(0, 0, 1, 0, 1, 2);
      assertThat(ranges(batch.images())).containsExactly(0, 0, 0, 4, 0, 4, /**/ 0, 0, 4, 8, 4, 8);
      assertThat(live(batch.images())).containsExactly(0, 1, 1, 0, 1, 1);
      // Of item 0 the cached row and the first new one, of item 1 the cached one are padding.
      assertThat(Objects.requireNonNull(batch.text().visibility()).toInts())
          .containsExactly(0, 0, 2, 3, 2, 4, /**/ 1, 2, 1, 3, 1, 4);
    }
  }

  @Test
  void piecesOfATextSeeWhatItsRowsSeeInTheWhole() {
    boolean[][] locations = {{true, false, true, true, false}, {false, true, false, false, true}};
    int[][] tokens = {{0, 2, 3}, {1, 4}};
    boolean[][][][] tiles =
        LlamaMasks.fromImageTokens(tokens, new int[][] {{1, 2, 1}, {2, 1}}, 5, 3, 2);
    for (FlamingoMasks.Seen seen : FlamingoMasks.Seen.values()) {
      requireSameInPieces(
          (rows, text) -> FlamingoMasks.of(device, seen, firstRows(locations, rows), 3, 8, text));
    }
    for (EmptyRows empty : EmptyRows.values()) {
      requireSameInPieces(
          (rows, text) -> LlamaMasks.of(device, firstRows(tiles, rows), 10, empty, text));
    }
  }

  private interface PieceMask {
    /** The mask of a piece, with the number of rows up to its end. */
    VisualMask of(int rows, RowShard text);
  }

  private static void requireSameInPieces(PieceMask mask) {
    try (VisualMask whole = mask.of(5, RowShard.whole(5))) {
      List<List<String>> expected = seenByRow(whole, 5);
      for (int begin = 0; begin < 5; begin++) {
        for (int end = begin + 1; end <= 5; end++) {
          try (VisualMask piece = mask.of(end, RowShard.whole(end - begin).after(begin))) {
            List<List<String>> found = seenByRow(piece, end - begin);
            for (int item = 0; item < 2; item++) {
              assertThat(found.get(item)).isEqualTo(expected.get(item).subList(begin, end));
            }
          }
        }
      }
    }
  }

  /** By item and row: whether it is live, and its ranges that are not empty. */
  private static List<List<String>> seenByRow(VisualMask mask, int rows) {
    int[] ranges = ranges(mask);
    int[] live = live(mask);
    int size = ranges.length / live.length;
    List<List<String>> items = new ArrayList<>();
    for (int at = 0; at < live.length; at++) {
      if (at % rows == 0) {
        items.add(new ArrayList<>());
      }
      StringBuilder seen = new StringBuilder(live[at] == 1 ? "live" : "not live");
      for (int i = at * size; i < (at + 1) * size; i += 2) {
        seen.append(ranges[i] < ranges[i + 1] ? " " + ranges[i] + "-" + ranges[i + 1] : "");
      }
      items.getLast().add(seen.toString());
    }
    return items;
  }

  private static boolean[][] firstRows(boolean[][] items, int count) {
    return Arrays.stream(items).map(rows -> Arrays.copyOf(rows, count)).toArray(boolean[][]::new);
  }

  private static boolean[][][][] firstRows(boolean[][][][] items, int count) {
    return Arrays.stream(items)
        .map(rows -> Arrays.copyOf(rows, count))
        .toArray(boolean[][][][]::new);
  }

  @Test
  void refusesWhatFitsNot() {
    RowShard text = RowShard.whole(2);
    assertThatThrownBy(
            () ->
                FlamingoMasks.of(
                    device, FlamingoMasks.Seen.PREVIOUS, new boolean[1][3], 1, 1, text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("mediaLocations[0] has 3 rows; 2 of all ranks were expected");
    assertThatThrownBy(
            () -> LlamaMasks.of(device, new boolean[1][1][1][1], 1, EmptyRows.ZERO, text))
        .hasMessageContaining("item 0 has 1 text rows; 2 of all ranks were expected");
    assertThatThrownBy(
            () ->
                LlamaMasks.of(
                    device,
                    new boolean[][][][] {{{{true}}, {{true, true}}}},
                    1,
                    EmptyRows.ZERO,
                    text))
        .hasMessageContaining("ragged");
    assertThatThrownBy(
            () -> LlamaMasks.fromImageTokens(new int[][] {{3, 1}}, new int[][] {{1, 1}}, 4, 2, 1))
        .hasMessageContaining("positions[0] do not ascend");
    assertThatThrownBy(
            () -> LlamaMasks.fromImageTokens(new int[][] {{3}}, new int[][] {{2}}, 4, 2, 1))
        .hasMessageContaining("realTiles[0][0] is 2");
    assertThatThrownBy(() -> new Owl3Images(new int[][] {{2, 2}}, 4))
        .hasMessageContaining("positions[0] is [2, 2]; ascending");
    assertThatThrownBy(() -> new RowShard(2, 1, 3)).hasMessageContaining("rows 2 to 1 of 3");
    try (Group group = Group.self(device)) {
      Owl3Images images = new Owl3Images(new int[][] {{0}}, 4);
      assertThatThrownBy(() -> Owl3Batch.of(group, Owl3Variant.FUSED, images, 1, 0, 5))
          .hasMessageContaining("the ranks have 5 visual rows; those of the images, 4");
    }
  }

  private static int[] ranges(VisualMask mask) {
    return Objects.requireNonNull(mask.mask().visibility()).toInts();
  }

  private static int[] live(VisualMask mask) {
    Tensor live = Objects.requireNonNull(mask.live());
    return live.toInts();
  }
}
