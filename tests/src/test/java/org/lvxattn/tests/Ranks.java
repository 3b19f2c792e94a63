// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import java.util.function.Consumer;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;

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
