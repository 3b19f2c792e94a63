// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Natives on disk, one directory per content: {@code <root>/<hash>/liblvx.so}.
 *
 * <p>Any number of processes may install the same or different bundles at once. A directory appears
 * under its final name in one atomic move, complete; what is there is verified before each use, so
 * a damaged entry is replaced and a valid one in a read-only root serves without any write.
 */
final class NativeLibraryCache {
  private final Path root;
  private final Duration patience;

  /**
   * @param patience how long to wait for another process that is installing the same bundle
   */
  NativeLibraryCache(Path root, Duration patience) {
    this.root = root;
    this.patience = patience;
  }

  /** The verified directory of the bundle's files, extracted first if need be. */
  Path install(NativeLibraryBundle bundle) throws IOException {
    Path entry = root.resolve(bundle.id());
    if (isIntact(bundle, entry)) {
      return entry;
    }
    Files.createDirectories(root);
    Path lockFile = root.resolve(bundle.id() + ".lock");
    try (var channel =
            FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock = lock(channel, lockFile)) {
      if (!lock.isValid()) {
        throw new IOException("the lock on " + lockFile + " was lost");
      }
      // Another process may have been faster.
      if (!isIntact(bundle, entry)) {
        replace(bundle, entry);
      }
    }
    return entry;
  }

  private static boolean isIntact(NativeLibraryBundle bundle, Path entry) {
    try {
      return bundle.damageIn(entry) == null;
    } catch (IOException unreadable) {
      // Not usable as it is; installing anew either repairs it or reports why it cannot.
      return false;
    }
  }

  /**
   * Under the lock, so the two names beside the entry are ours; a killed process may have left
   * them.
   */
  private void replace(NativeLibraryBundle bundle, Path entry) throws IOException {
    Path fresh = root.resolve(bundle.id() + ".new");
    Path damaged = root.resolve(bundle.id() + ".old");
    deleteTree(fresh);
    deleteTree(damaged);
    try {
      bundle.extractTo(Files.createDirectory(fresh));
      if (Files.exists(entry, LinkOption.NOFOLLOW_LINKS)) {
        Files.move(entry, damaged, StandardCopyOption.ATOMIC_MOVE);
      }
      Files.move(fresh, entry, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      deleteTree(fresh);
      deleteTree(damaged);
    }
  }

  /** Polls, because a blocked lock call could neither time out nor wait within one JVM. */
  private FileLock lock(FileChannel channel, Path lockFile) throws IOException {
    long deadline = System.nanoTime() + patience.toNanos();
    while (true) {
      FileLock lock = tryLock(channel);
      if (lock != null) {
        return lock;
      }
      if (System.nanoTime() - deadline > 0) {
        throw new IOException(
            "waited "
                + patience.toMillis()
                + " ms for another process that holds the lock "
                + lockFile);
      }
      try {
        Thread.sleep(10);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted while waiting for the lock " + lockFile, e);
      }
    }
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException heldInThisJvm) {
      return null; // by the same classes in another class loader
    }
  }

  private static void deleteTree(Path directory) throws IOException {
    List<Path> deepestFirst = new ArrayList<>();
    try (Stream<Path> walk = Files.walk(directory)) {
      walk.forEach(deepestFirst::addFirst);
    } catch (NoSuchFileException absent) {
      return;
    }
    for (Path path : deepestFirst) {
      Files.deleteIfExists(path);
    }
  }
}
