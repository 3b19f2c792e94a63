// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.lvxattn.CrossAttention;
import org.lvxattn.Device;
import org.lvxattn.NativeInfo;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;

/**
 * What {@link DeniedAccessTest} runs: uses the library, first as the argument says, then in every
 * other way, and says how each ended.
 */
final class DeniedAccessMain {
  static final Map<String, Runnable> USES = new LinkedHashMap<>();

  static {
    USES.put("attention", () -> use(CrossAttention.builder().heads(1).headDim(8).build()));
    USES.put("options", () -> use(GroupOptions.builder().build()));
    USES.put("device", () -> Device.cpu().close());
    USES.put("world", () -> use(LocalWorld.run(1, group -> 1)));
    USES.put("info", () -> use(NativeInfo.load()));
  }

  private DeniedAccessMain() {}

  private static void use(Object result) {
    Objects.requireNonNull(result);
  }

  public static void main(String[] args) {
    run(args[0]);
    USES.keySet().forEach(DeniedAccessMain::run);
  }

  private static void run(String use) {
    try {
      Objects.requireNonNull(USES.get(use)).run();
      System.out.println(use + ": needs no natives");
    } catch (Throwable t) { // also errors of class initializers, which must not occur
      System.out.println(use + ": " + t);
    }
  }
}
