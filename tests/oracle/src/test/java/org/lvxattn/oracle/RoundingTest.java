// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.lvxattn.DType;
import org.lvxattn.testing.Seeds;

class RoundingTest {
  private static float bfloat16(float value) {
    return Rounding.round(value, DType.BFLOAT16);
  }

  @Test
  void bfloat16RoundsToNearestEven() {
    assertThat(bfloat16(1)).isEqualTo(1);
    assertThat(bfloat16(1 + 0x1p-8f)).isEqualTo(1); // a tie, down to even
    assertThat(bfloat16(1 + 0x3p-8f)).isEqualTo(1 + 0x1p-6f); // a tie, up to even
    assertThat(bfloat16(1 + 0x1.01p-8f)).isEqualTo(1 + 0x1p-7f);
    assertThat(bfloat16(Float.MAX_VALUE)).isEqualTo(Float.POSITIVE_INFINITY);
    assertThat(bfloat16(Float.NEGATIVE_INFINITY)).isEqualTo(Float.NEGATIVE_INFINITY);
    assertThat(bfloat16(Float.NaN)).isNaN();
    assertThat(Float.floatToRawIntBits(bfloat16(-0f))).isEqualTo(0x80000000);
  }

  @Test
  void bfloat16IsTheNearerNeighbour() {
    Random random = Seeds.random(1);
    for (int i = 0; i < 10_000; i++) {
      float value = (float) random.nextGaussian();
      float rounded = bfloat16(value);
      assertThat(Float.floatToRawIntBits(rounded) & 0xffff).isZero();
      assertThat(Math.abs(rounded - value)).isLessThanOrEqualTo(Math.abs(value) * 0x1p-8f);
    }
  }

  @Test
  void wideTypesHoldFloatsAsTheyAre() {
    assertThat(Rounding.round(0.1f, DType.FLOAT32)).isEqualTo(0.1f);
    assertThat(Rounding.round(0.1f, DType.FLOAT64)).isEqualTo(0.1f);
    assertThat(Rounding.round(65520, DType.FLOAT16)).isEqualTo(Float.POSITIVE_INFINITY);
    assertThat(Rounding.round(1 + 0x1p-11f, DType.FLOAT16)).isEqualTo(1);
  }
}
