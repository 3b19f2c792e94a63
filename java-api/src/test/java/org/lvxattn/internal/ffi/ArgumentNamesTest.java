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
  void replaceOnlyTheBeginningOfAMessage() {
    assertThat(ArgumentNames.inJava("d_o: d_o is null", "d_o")).isEqualTo("dO: d_o is null");
    assertThat(ArgumentNames.inJava("no memory", "")).isEqualTo("no memory");
  }
}
