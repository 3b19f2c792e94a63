// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class NativeLibraryPlatformTest {
  @Test
  void javaNamesBecomeThoseOfTheNativeBuild() {
    assertThat(NativeLibraryPlatform.name("Linux", "amd64")).isEqualTo("linux-x86_64");
    assertThat(NativeLibraryPlatform.name("Linux", "x86_64")).isEqualTo("linux-x86_64");
    assertThat(NativeLibraryPlatform.name("Linux", "aarch64")).isEqualTo("linux-aarch64");
    assertThat(NativeLibraryPlatform.name("Mac OS X", "aarch64")).isEqualTo("macosx-aarch64");
  }
}
