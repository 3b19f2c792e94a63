// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/**
 * Loads as module org.lvxattn: only that module has native access, and the natives are in a module.
 */
class NativeLibraryModuleTest {
  @Test
  void theNamedModuleLoadsTheNatives() {
    assertThat(NativeLibrary.class.getModule().getName()).isEqualTo("org.lvxattn");
    assertThat(NativeLibrary.class.getModule().isNativeAccessEnabled()).isTrue();
    NativeLibrary.load();
    assertThat(NativeLibrary.find("lvx_abi_version")).isPresent();
  }
}
