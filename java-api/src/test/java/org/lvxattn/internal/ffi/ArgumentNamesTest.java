// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.ffi;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ArgumentNamesTest {
  @Test
  void areCamelCaseOrWhatJavaCallsThem() {
    assertThat(ArgumentNames.inJava("q")).isEqualTo("q");
    assertThat(ArgumentNames.inJava("d_o")).isEqualTo("dO");
    assertThat(ArgumentNames.inJava("dbias")).isEqualTo("dBias");
    assertThat(ArgumentNames.inJava("options.tile_rows")).isEqualTo("options.tileRows");
    assertThat(ArgumentNames.inJava("projection.key_heads")).isEqualTo("projection.keyValueHeads");
  }

  @Test
  void replaceOnlyTheNameOfTheArgument() {
    assertThat(ArgumentNames.inJava("d_o: d_o is null", "d_o")).isEqualTo("dO: d_o is null");
    assertThat(ArgumentNames.inJava("rank 1 could not take part in backward: d_o: null", "d_o"))
        .isEqualTo("rank 1 could not take part in backward: dO: null");
    assertThat(ArgumentNames.inJava("no memory: none", "")).isEqualTo("no memory: none");
  }
}
