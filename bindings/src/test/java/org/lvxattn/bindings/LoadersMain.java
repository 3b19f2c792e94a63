// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.File;
import java.lang.foreign.MemorySegment;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;

/**
 * What {@link ChildJvm} runs to load the library in several class loaders at the same time, as
 * several applications of one server do. Prints where each one found the same symbol.
 */
final class LoadersMain {
  private static final int LOADERS = 3;

  private LoadersMain() {}

  public static void main(String[] args) throws Exception {
    List<URL> classes = new ArrayList<>();
    String all = Objects.requireNonNull(System.getProperty("java.class.path"));
    for (String entry : all.split(File.pathSeparator, -1)) {
      classes.add(Path.of(entry).toUri().toURL());
    }
    var together = new CountDownLatch(LOADERS);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < LOADERS; i++) {
      threads.add(Thread.ofPlatform().start(() -> load(classes, together)));
    }
    for (Thread thread : threads) {
      thread.join();
    }
  }

  private static void load(List<URL> classes, CountDownLatch together) {
    try {
      // Not closed: the JVM ends.
      var loader =
          new URLClassLoader(classes.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
      Class<?> library = loader.loadClass(NativeLibrary.class.getName());
      together.countDown();
      together.await();
      Object found = library.getMethod("find", String.class).invoke(null, "lvx_abi_version");
      var symbol = (MemorySegment) ((Optional<?>) Objects.requireNonNull(found)).orElseThrow();
      System.out.println(
          (library != NativeLibrary.class) + " symbol at " + Long.toHexString(symbol.address()));
    } catch (ReflectiveOperationException | InterruptedException e) {
      System.out.println("failed: " + e + " " + e.getCause());
    }
  }
}
