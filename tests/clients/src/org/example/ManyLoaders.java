// SPDX-License-Identifier: Apache-2.0
package org.example;

import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Two applications of one JVM that have the library each: two class loaders at the same time. */
public final class ManyLoaders {
  private ManyLoaders() {}

  public static void main(String[] fatJar) throws Exception {
    URL[] jar = {Path.of(fatJar[0]).toUri().toURL()};
    try (var threads = Executors.newFixedThreadPool(2);
        var one = new URLClassLoader(jar, ClassLoader.getPlatformClassLoader());
        var two = new URLClassLoader(jar, ClassLoader.getPlatformClassLoader())) {
      List<Callable<Object>> applications = new ArrayList<>();
      for (URLClassLoader loader : List.of(one, two)) {
        applications.add(
            () -> loader.loadClass("org.example.Client").getMethod("result").invoke(null));
      }
      for (Future<Object> result : threads.invokeAll(applications)) {
        System.out.println(result.get());
      }
    }
  }
}
