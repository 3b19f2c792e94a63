// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.assertj.core.api.ThrowableAssertAlternative;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.testing.Seeds;

/** Masks from booleans, ranges and cu_seqlens against dense masks, and rejected arguments. */
@Timeout(120)
class VisibilityFactoriesTest {
  private static final int HEADS = 2;
  private static final int HEAD_DIM = 8;

  private final Random random = Seeds.random(1);
  private Device device;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
  }

  @AfterEach
  void close() {
    assertThat(device.bytesInUse()).isZero();
    device.close();
  }

  @Test
  void booleansAndRangesSayWhatDenseMasksSay() {
    for (int round = 0; round < 300; round++) {
      boolean[][][] dense =
          randomMask(random.nextInt(4), random.nextInt(6), random.nextInt(20), random);
      try (Tensor booleans = Visibility.ofBooleans(device, dense);
          Tensor ranges = Visibility.ofRanges(device, rangesOf(dense, random))) {
        requireSays(booleans, dense);
        requireSays(ranges, dense);
        int most = 1;
        for (boolean[][] item : dense) {
          for (boolean[] row : item) {
            most = Math.max(most, ones(row).size());
          }
        }
        assertThat(booleans.dimension(2)).as("no more ranges than are needed").isEqualTo(most);
      }
    }
  }

  @Test
  void attentionOverBooleansIsAttentionWithABiasOfMinusInfinity() {
    for (int round = 0; round < 50; round++) {
      boolean[][][] dense =
          randomMask(1 + random.nextInt(2), 1 + random.nextInt(5), 1 + random.nextInt(12), random);
      long batch = dense.length;
      long queries = dense[0].length;
      long keys = dense[0][0].length;
      double[] bias = new double[(int) (batch * queries * keys)];
      for (int i = 0; i < bias.length; i++) {
        int row = (int) (i / keys);
        boolean sees = dense[(int) (row / queries)][(int) (row % queries)][(int) (i % keys)];
        bias[i] = sees ? 0 : Double.NEGATIVE_INFINITY;
      }
      try (TensorScope scope = new TensorScope(device)) {
        Tensor q = filled(scope, batch, queries, HEADS, HEAD_DIM);
        Tensor k = filled(scope, batch, keys, HEADS, HEAD_DIM);
        Tensor v = filled(scope, batch, keys, HEADS, HEAD_DIM);
        Mask ranges = Mask.visible(scope.add(Visibility.ofBooleans(device, dense)));
        Mask biases =
            Mask.bias(scope.add(Tensor.of(device, DType.FLOAT64, bias, batch, 1, queries, keys)));
        assertThat(reference(scope, q, k, v, ranges))
            .containsExactly(reference(scope, q, k, v, biases));
      }
    }
  }

  @Test
  void ranksPassTheirRowsAndTheColumnsOfAll() {
    long seed = random.nextLong();
    // The rows that each of three ranks holds, and their keys; rank 1 holds neither.
    int[] rows = {2, 0, 3};
    int[] keys = {4, 0, 3};
    boolean[][][] dense = randomMask(2, 5, 7, new Random(seed));
    boolean[][][][] shards = {part(dense, 0, 2), part(dense, 2, 2), part(dense, 2, 5)};
    List<double[]> sharded =
        LocalWorld.run(
            3,
            group -> {
              int rank = group.rank();
              try (TensorScope scope = new TensorScope(group.device())) {
                int firstRow = rank < 2 ? 0 : 2;
                int firstKey = rank == 0 ? 0 : 4;
                Tensor q = values(scope, 1, firstRow, rows[rank]);
                Tensor k = values(scope, 2, firstKey, keys[rank]);
                Tensor v = values(scope, 3, firstKey, keys[rank]);
                Tensor visible = scope.add(Visibility.ofBooleans(group.device(), shards[rank]));
                AttentionForward forward =
                    scope.add(attention().forward(group, q, k, v, Mask.visible(visible)));
                return forward.output().toDoubles();
              }
            });
    try (TensorScope scope = new TensorScope(device)) {
      Tensor q = values(scope, 1, 0, 5);
      Tensor k = values(scope, 2, 0, 7);
      Tensor v = values(scope, 3, 0, 7);
      Mask mask = Mask.visible(scope.add(Visibility.ofBooleans(device, dense)));
      Tensor o = scope.like(q);
      Tensor lse = scope.allocate(DType.FLOAT64, 2, HEADS, 5);
      ReferenceAttention.forward(1 / Math.sqrt(HEAD_DIM), q, k, v, mask, o, lse);
      for (int rank = 0; rank < 3; rank++) {
        int first = rank < 2 ? 0 : 2;
        double[] expected = scope.add(o.slice(1, first, first + rows[rank])).toDoubles();
        double[] got = sharded.get(rank);
        assertThat(got).hasSize(expected.length);
        for (int i = 0; i < got.length; i++) {
          assertThat(got[i]).isCloseTo(expected[i], within(1e-13));
        }
      }
    }
  }

  @Test
  void packedSequencesSeeTheirOwnKeysWhereverTheyAreCut() {
    for (int round = 0; round < 200; round++) {
      int sequences = random.nextInt(5);
      int[] cuQ = cumulative(sequences);
      int[] cuK = cumulative(sequences);
      int queries = cuQ[sequences];
      boolean[][][] dense = new boolean[1][queries][cuK[sequences]];
      for (int i = 0; i < sequences; i++) {
        for (int query = cuQ[i]; query < cuQ[i + 1]; query++) {
          Arrays.fill(dense[0][query], cuK[i], cuK[i + 1], true);
        }
      }
      try (Tensor whole = Visibility.ofCuSeqlens(device, cuQ, cuK)) {
        requireSays(whole, dense);
        assertThat(whole.shape()).containsExactly(1, queries, 1, 2);
      }
      int begin = random.nextInt(queries + 1);
      int end = begin + random.nextInt(queries - begin + 1);
      try (Tensor some = Visibility.ofCuSeqlens(device, cuQ, cuK, begin, end)) {
        requireSays(some, part(dense, begin, end));
        assertThat(some.dimension(1)).isEqualTo(end - begin);
      }
    }
  }

  @Test
  void raggedBooleansAreRefused() {
    boolean[] three = new boolean[3];
    refused(() -> Visibility.ofBooleans(device, new boolean[][][] {{three}, {three, three}}))
        .withMessage("visible[1] has 2 queries; 1 were expected, as many as in the first");
    refused(() -> Visibility.ofBooleans(device, new boolean[][][] {{three}, {new boolean[2]}}))
        .withMessage("visible[1][0] has 2 keys; 3 were expected, as many as in the first");
    boolean[][][] absent = {{three, Absent.absent()}};
    assertThatNullPointerException()
        .isThrownBy(() -> Visibility.ofBooleans(device, absent))
        .withMessage("visible[0][1] is null");
    assertThatNullPointerException()
        .isThrownBy(() -> Visibility.ofBooleans(device, new boolean[][][] {Absent.absent()}))
        .withMessage("visible[0] is null");
    assertThatNullPointerException()
        .isThrownBy(() -> Visibility.ofBooleans(device, Absent.absent()))
        .withMessage("visible is null");
    assertThatNullPointerException()
        .isThrownBy(() -> Visibility.ofBooleans(Absent.absent(), new boolean[0][][]))
        .withMessage("device is null");
  }

  @Test
  void wrongRangesAreRefusedByName() {
    refusedRanges(new int[][] {{0, 2}, {1, 3}})
        .withMessage(
            "ranges[0][1][1] is [1, 3) after a range that ends at 2; ascending, disjoint ranges"
                + " were expected");
    refusedRanges(new int[][] {{4, 5}, {0, 0}, {1, 3}})
        .withMessageContaining("ranges[0][1][2] is [1, 3) after a range that ends at 5");
    refusedRanges(new int[][] {{4, 2}})
        .withMessage("ranges[0][1][0] is [4, 2); 0 <= begin <= end was expected");
    refusedRanges(new int[][] {{-1, 2}}).withMessageContaining("ranges[0][1][0] is [-1, 2)");
    refusedRanges(new int[][] {{1, 2, 3}})
        .withMessage("ranges[0][1][0] is [1, 2, 3]; [begin, end] was expected");
    refused(() -> Visibility.ofRanges(device, new int[][][][] {{{}}, {{}, {}}}))
        .withMessage("ranges[1] has 2 queries; 1 were expected, as many as in the first");
    assertThatNullPointerException()
        .isThrownBy(() -> Visibility.ofRanges(device, new int[][][][] {{{Absent.absent()}}}))
        .withMessage("ranges[0][0][0] is null");
    int[][][][] touching = {{{{0, 2}, {7, 7}, {2, 4}}}};
    try (Tensor ranges = Visibility.ofRanges(device, touching)) {
      assertThat(ranges.toInts()).containsExactly(0, 2, 7, 7, 2, 4);
    }
  }

  @Test
  void wrongCumulativeLengthsAreRefusedByName() {
    int[] good = {0, 2, 2, 5};
    refused(() -> Visibility.ofCuSeqlens(device, good, new int[] {0, 4, 3, 5}))
        .withMessage(
            "cuSeqlensK[2] is 3; 4 or more was expected, since cumulative lengths do not decrease");
    refused(() -> Visibility.ofCuSeqlens(device, new int[] {0, 4, 3, 5}, good))
        .withMessageContaining("cuSeqlensQ[2] is 3");
    refused(() -> Visibility.ofCuSeqlens(device, new int[] {1, 4, 4, 5}, good))
        .withMessage("cuSeqlensQ[0] is 1; 0 was expected");
    refused(() -> Visibility.ofCuSeqlens(device, good, new int[] {0, 4, 5}))
        .withMessage("cuSeqlensK has 3 entries; as many as cuSeqlensQ, 4, were expected");
    refused(() -> Visibility.ofCuSeqlens(device, new int[0], good))
        .withMessageContaining("cuSeqlensQ has 0 entries");
    for (int[] rows : new int[][] {{-1, 2}, {3, 2}, {0, 6}, {6, 6}}) {
      refused(() -> Visibility.ofCuSeqlens(device, good, good, rows[0], rows[1]))
          .withMessageContaining("begin is " + rows[0] + " and end is " + rows[1])
          .withMessageContaining("<= 5, the last of cuSeqlensQ");
    }
    assertThatNullPointerException()
        .isThrownBy(() -> Visibility.ofCuSeqlens(device, good, Absent.absent()))
        .withMessage("cuSeqlensK is null");
  }

  @Test
  void moreBoundsThanAnArrayHoldsAreRefused() {
    // One row array that all queries share: few bytes here, 2^31 bounds as ranges.
    boolean[] alternating = new boolean[1 << 15];
    for (int key = 0; key < alternating.length; key += 2) {
      alternating[key] = true;
    }
    boolean[][][] visible = new boolean[1][1 << 16][];
    Arrays.fill(visible[0], alternating);
    refused(() -> Visibility.ofBooleans(device, visible))
        .withMessageContaining(
            "65536 rows of 16384 ranges have more bounds than an array can hold");
  }

  @Test
  void nothingStaysAllocatedWhereMemoryIsShort() {
    try (Device small = Device.cpu(CpuOptions.builder().threads(1).memoryBudget(64).build())) {
      assertThatThrownBy(() -> Visibility.ofBooleans(small, new boolean[1][1000][1]))
          .isInstanceOf(OutOfDeviceMemoryException.class);
      assertThat(small.bytesInUse()).isZero();
    }
  }

  private static CrossAttention attention() {
    return CrossAttention.builder()
        .heads(HEADS)
        .keyValueHeads(HEADS)
        .headDim(HEAD_DIM)
        .strategy(Strategy.QUERY_RING)
        .build();
  }

  /** Rows of a sequence of batch 2 whose values depend only on where they are in the whole. */
  private static Tensor values(TensorScope scope, int seed, int first, int rows) {
    double[] values = new double[2 * rows * HEADS * HEAD_DIM];
    for (int i = 0; i < values.length; i++) {
      int item = i / (rows * HEADS * HEAD_DIM);
      int inItem = first * HEADS * HEAD_DIM + i % (rows * HEADS * HEAD_DIM);
      values[i] = Math.sin(1000.0 * seed + 100 * item + inItem);
    }
    return scope.add(Tensor.of(scope.device(), DType.FLOAT64, values, 2, rows, HEADS, HEAD_DIM));
  }

  private Tensor filled(TensorScope scope, long... shape) {
    Tensor tensor = scope.allocate(DType.FLOAT64, shape);
    return tensor.copyFrom(random.doubles(tensor.elements()).map(x -> 2 * x - 1).toArray());
  }

  private double[] reference(TensorScope scope, Tensor q, Tensor k, Tensor v, Mask mask) {
    Tensor o = scope.like(q);
    Tensor lse = scope.allocate(DType.FLOAT64, q.dimension(0), HEADS, q.dimension(1));
    ReferenceAttention.forward(0.5, q, k, v, mask, o, lse);
    return o.toDoubles();
  }

  private static boolean[][][] randomMask(int batch, int queries, int keys, Random random) {
    boolean[][][] mask = new boolean[batch][queries][keys];
    for (boolean[][] item : mask) {
      for (boolean[] row : item) {
        // From no key to all keys.
        double share = random.nextInt(5) / 4.0;
        for (int key = 0; key < keys; key++) {
          row[key] = random.nextDouble() < share;
        }
      }
    }
    return mask;
  }

  private static boolean[][][] part(boolean[][][] mask, int begin, int end) {
    return Arrays.stream(mask)
        .map(item -> Arrays.copyOfRange(item, begin, end))
        .toArray(boolean[][][]::new);
  }

  /** The maximal ranges of visible keys. */
  private static List<int[]> ones(boolean[] row) {
    List<int[]> found = new ArrayList<>();
    for (int key = 0; key < row.length; key++) {
      if (row[key] && !found.isEmpty() && found.getLast()[1] == key) {
        found.getLast()[1]++;
      } else if (row[key]) {
        found.add(new int[] {key, key + 1});
      }
    }
    return found;
  }

  /** The same keys, in ranges some of which are cut into touching ones or are empty. */
  private static int[][][][] rangesOf(boolean[][][] dense, Random random) {
    int[][][][] all = new int[dense.length][][][];
    for (int item = 0; item < dense.length; item++) {
      all[item] = new int[dense[item].length][][];
      for (int query = 0; query < dense[item].length; query++) {
        List<int[]> ranges = new ArrayList<>();
        for (int[] range : ones(dense[item][query])) {
          int cut = range[0] + random.nextInt(range[1] - range[0] + 1);
          if (random.nextBoolean()) {
            int anywhere = random.nextInt(30);
            ranges.add(new int[] {anywhere, anywhere});
          }
          ranges.add(new int[] {range[0], cut});
          ranges.add(new int[] {cut, range[1]});
        }
        all[item][query] = ranges.toArray(int[][]::new);
      }
    }
    return all;
  }

  private int[] cumulative(int sequences) {
    int[] lengths = new int[sequences + 1];
    for (int i = 0; i < sequences; i++) {
      lengths[i + 1] = lengths[i] + random.nextInt(4);
    }
    return lengths;
  }

  private static void requireSays(Tensor visibility, boolean[][][] dense) {
    int[] bounds = visibility.toInts();
    int each = (int) visibility.dimension(2);
    assertThat(visibility.dimension(0)).isEqualTo(dense.length);
    int row = 0;
    for (boolean[][] item : dense) {
      assertThat(visibility.dimension(1)).isEqualTo(item.length);
      for (boolean[] expected : item) {
        boolean[] seen = new boolean[expected.length];
        for (int i = 0; i < each; i++) {
          int at = 2 * (row * each + i);
          for (int key = bounds[at]; key < bounds[at + 1]; key++) {
            assertThat(seen[key]).isFalse();
            seen[key] = true;
          }
        }
        assertThat(seen).containsExactly(expected);
        row++;
      }
    }
  }

  private static ThrowableAssertAlternative<IllegalArgumentException> refused(
      ThrowingCallable misuse) {
    return assertThatIllegalArgumentException().isThrownBy(misuse);
  }

  private ThrowableAssertAlternative<IllegalArgumentException> refusedRanges(int[][] ranges) {
    int[][][][] all = {{{{0, 9}}, ranges}};
    return refused(() -> Visibility.ofRanges(device, all));
  }
}
