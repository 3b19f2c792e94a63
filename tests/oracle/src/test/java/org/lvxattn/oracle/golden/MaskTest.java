// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.lvxattn.oracle.AttentionShape;

class MaskTest {
  private static final float INF = Float.POSITIVE_INFINITY;

  /** One item, two queries, six keys: 110010 and 000000. */
  private static VisibilityMask mask() {
    return new VisibilityMask(
        new int[] {1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, new long[] {1, 1, 2, 6});
  }

  @Test
  void runsBecomeRanges() {
    VisibilityRanges ranges = VisibilityRanges.of(mask(), 1, 2, 6);
    assertThat(ranges.perQuery()).isEqualTo(2);
    assertThat(ranges.toArray(0, 2)).containsExactly(0, 2, 4, 5, 0, 0, 0, 0);
    assertThat(ranges.toArray(1, 2)).containsExactly(0, 0, 0, 0);
  }

  @Test
  void windowsClipAndCountFromTheirBegin() {
    VisibilityRanges window = VisibilityRanges.of(mask(), 1, 2, 6).window(1, 4);
    assertThat(window.toArray(0, 1)).containsExactly(0, 1, 3, 3);
  }

  @Test
  void allWaysOfSayingAMaskAgree() {
    VisibilityMask intervals =
        VisibilityMask.ofIntervals(new int[] {0, 3}, new int[] {2, 3}, 1, 2, 6);
    VisibilityMask same =
        new VisibilityMask(new int[] {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, new long[] {1, 1, 2, 6});
    assertThat(intervals.sameAs(same, 4, 1, 2, 6)).isTrue();
    assertThat(intervals.sameAs(mask(), 4, 1, 2, 6)).isFalse();
    VisibilityMask prefix = VisibilityMask.ofPrefixes(new int[] {2}, 6);
    assertThat(prefix.visible(0, 3, 1, 1)).isTrue();
    assertThat(prefix.visible(0, 3, 1, 2)).isFalse();
    assertThat(prefix.sameAs(intervals, 1, 1, 2, 6)).isFalse();
  }

  @Test
  void heads() {
    VisibilityMask perHead = new VisibilityMask(new int[] {1, 0, 1, 1}, new long[] {1, 2, 1, 2});
    assertThat(perHead.sameForAllHeads(1, 1, 2)).isFalse();
    assertThat(mask().sameForAllHeads(1, 2, 6)).isTrue();
  }

  @Test
  void biasHoldsMaskAndBias() {
    AttentionShape shape = new AttentionShape(1, 2, 6, 2, 1, 8);
    Bias added = new Bias(new float[] {1, 2, 3, 4, 5, 6}, new long[] {1, 1, 1, 6});
    Bias bias = Bias.of(mask(), added, shape);
    assertThat(bias.shape()).containsExactly(1, 1, 2, 6);
    assertThat(bias.values())
        .containsExactly(1, 2, -INF, -INF, 5, -INF, -INF, -INF, -INF, -INF, -INF, -INF);
    assertThat(bias.window(1, 3).values()).containsExactly(2, -INF, -INF, -INF);
    assertThat(bias.sumTo(added, new double[] {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60}))
        .containsExactly(11, 22, 33, 44, 55, 66);
  }

  @Test
  void refusesWhatIsNoMask() {
    assertThatThrownBy(() -> new VisibilityMask(new int[] {2}, new long[] {1, 1, 1, 1}))
        .hasMessageContaining("expected 0 or 1");
    assertThatThrownBy(() -> new VisibilityMask(new int[] {1}, new long[] {1}))
        .hasMessageContaining("expected 4 sizes");
    assertThatThrownBy(() -> mask().checkFits(1, 2, 3, 6)).hasMessageContaining("expected sizes 1");
  }
}
