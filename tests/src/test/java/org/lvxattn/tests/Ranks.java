// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import java.util.function.Consumer;
import org.lvxattn.Group;
import org.lvxattn.GroupOptions;
import org.lvxattn.LocalWorld;

/** Ranks that are threads, for work without a result. */
final class Ranks {
  private Ranks() {}

  static void run(int size, GroupOptions options, Consumer<Group> task) {
    LocalWorld.run(
        size,
        options,
        TestDevice.forRanks(size),
        group -> {
          task.accept(group);
          return group.rank();
        });
  }
}
