// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The class path of a JVM that a test starts. */
public final class TestClassPath {
  private TestClassPath() {}

  /** Test classes, the module, and its dependencies, as one class path. */
  public static String all() throws Exception {
    List<String> entries = new ArrayList<>();
    for (Class<?> type : List.of(TestClassPath.class, Device.class)) {
      entries.add(
          Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString());
    }
    for (String path : List.of("jdk.module.path", "java.class.path")) {
      String value = System.getProperty(path);
      if (value != null) {
        entries.add(value);
      }
    }
    // Surefire patches the test classes into the module, so they have no location of their own.
    entries.add(Path.of("target", "test-classes").toAbsolutePath().toString());
    return String.join(File.pathSeparator, entries);
  }
}
