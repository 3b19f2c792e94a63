// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import org.junit.jupiter.api.Test;

class NativeInfoTest {
  @Test
  void describesTheLoadedLibrary() {
    NativeInfo info = NativeInfo.load();
    assertThat(Files.isRegularFile(info.file())).isTrue();
    assertThat(info.version()).matches("\\d+\\.\\d+\\.\\d+.*");
    assertThat(info.abiVersion()).isPositive();
  }
}
