// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.lvxattn.oracle.AttentionShape;

class ModelTest {
  @ParameterizedTest
  @CsvSource({
    "llama3v-11b, 32, 8, 128, 6404",
    "llama3v-90b, 64, 8, 128, 6404",
    "mplug-owl3-1b, 14, 2, 64, 729",
    "mplug-owl3-2b, 12, 2, 128, 729",
    "mplug-owl3-7b, 28, 4, 128, 729",
    "openflamingo-3b, 8, 8, 64, 64",
    "openflamingo-9b, 8, 8, 64, 64"
  })
  void hasThePublishedSizes(
      String name, int queryHeads, int keyHeads, int headDim, int tokensPerFrame) {
    Model model = Model.named(name);
    assertThat(model.tokensPerFrame()).isEqualTo(tokensPerFrame);
    assertThat(model.shape(7, 9))
        .isEqualTo(new AttentionShape(1, 7, 9, queryHeads, keyHeads, headDim));
  }

  @Test
  void unknownNamesAreAnsweredWithTheKnown() {
    assertThatThrownBy(() -> Model.named("llama"))
        .hasMessageContaining("llama3v-90b, mplug-owl3-1b");
  }

  @Test
  void countsOperationsAsTheFieldDoes() {
    AttentionShape shape = AttentionShape.parse("1,128,6404,32,8,128");
    assertThat(shape.forwardFlops()).isEqualTo(4.0 * 32 * 128 * 6404 * 128);
    assertThat(shape.backwardFlops()).isEqualTo(2.5 * shape.forwardFlops());
  }
}
