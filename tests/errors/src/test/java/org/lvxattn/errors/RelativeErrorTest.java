// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.errors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class RelativeErrorTest {
  private static final double INF = Double.POSITIVE_INFINITY;

  private static double error(double[] result, double... reference) {
    return RelativeError.of(result, reference);
  }

  private static double[] result(double... values) {
    return values;
  }

  @Test
  void isRelativeToTheLargestReference() {
    assertThat(error(result(1, -3.5, 0.25), 1, -4, 0)).isEqualTo(0.125);
    assertThat(error(result(1, 2), 1, 2)).isZero();
  }

  @Test
  void isAbsoluteWhereTheReferenceIsTiny() {
    assertThat(error(result(3e-7, 0), 1e-7, -9e-7)).isEqualTo(9e-7);
    assertThat(error(result(1e-3), 0)).isEqualTo(1e-3);
    assertThat(error(result(2e-6), 1e-6)).isEqualTo(1);
  }

  @Test
  void infinitiesMustMatchInPlaceAndSign() {
    assertThat(error(result(-INF, 1.5), -INF, 1)).isEqualTo(0.5);
    assertThat(error(result(-INF), -INF)).isZero();
    assertThat(error(result(INF), -INF)).isNaN();
    assertThat(error(result(1), -INF)).isNaN();
    assertThat(error(result(-INF), 1)).isNaN();
  }

  @Test
  void infiniteReferencesDoNotScaleTheRest() {
    assertThat(error(result(INF, 2), INF, 1)).isEqualTo(1);
  }

  @Test
  void nanIsAFailure() {
    assertThat(error(result(Double.NaN, 1), 0, 1)).isNaN();
    assertThat(error(result(0), Double.NaN)).isNaN();
    assertThat(error(result(Double.NaN), Double.NaN)).isNaN();
  }

  @Test
  void anEmptyTensorIsRight() {
    assertThat(error(result())).isZero();
  }

  @Test
  void lengthsMustAgree() {
    assertThatThrownBy(() -> error(result(1, 2), 1)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void failureIsWorseThanAnyNumber() {
    assertThat(RelativeError.worse(1, 2)).isEqualTo(2);
    assertThat(RelativeError.worse(Double.NaN, 2)).isNaN();
    assertThat(RelativeError.worse(2, Double.NaN)).isNaN();
  }
}
