// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.util.Map;

/** Processes joined by Gloo. */
class GlooProcessesTest extends StartedProcessesTest {
  @Override
  Map<String, String> variables() {
    return Map.of();
  }
}
