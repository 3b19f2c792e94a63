// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Natives on disk, one directory per content: {@code <root>/<hash>/liblvx.so}.
 *
 * <p>No other user can change it: the root is private to this user, the root and all directories
 * above it are {@link TrustedDirectory trusted}, and links are not followed. So a file that has
 * been checked by its path cannot be exchanged before it is loaded.
 *
 * <p>Any number of processes may install the same or different bundles at the same time. An atomic
 * move gives a complete directory its final name. Entries are verified before each use, most by
 * size, time and inode: a damaged entry is replaced, and a valid entry in a read-only root is used
 * without any write.
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

  /** The verified directory of the bundle's files; extracts them first if necessary. */
  Path install(NativeLibraryBundle bundle) throws IOException {
    Path trusted = TrustedDirectory.create(root);
    Path entry = trusted.resolve(bundle.id());
    NativeLibraryBundle.Condition found = condition(bundle, entry);
    boolean writable = Files.isWritable(trusted) && Files.isWritable(entry);
    if (found == NativeLibraryBundle.Condition.RECORDED
        || (found == NativeLibraryBundle.Condition.INTACT && !writable)) {
      return entry;
    }
    Path lockFile = trusted.resolve(bundle.id() + ".lock");
    try (var channel = openLock(lockFile);
        FileLock lock = lock(channel, lockFile)) {
      if (!lock.isValid()) {
        throw new IOException("the lock on " + lockFile + " was lost");
      }
      // Another process may have installed it meanwhile.
      switch (condition(bundle, entry)) {
        case RECORDED -> {}
        case INTACT -> bundle.record(entry);
        case DAMAGED -> replace(bundle, entry);
      }
    }
    return entry;
  }

  private static NativeLibraryBundle.Condition condition(NativeLibraryBundle bundle, Path entry) {
    try {
      TrustedDirectory.require(entry);
      return bundle.conditionIn(entry);
    } catch (IOException unusable) {
      // Missing or unusable: installing it again repairs it or reports why not.
      return NativeLibraryBundle.Condition.DAMAGED;
    }
  }

  /** Opens the lock file without following a link or truncating the file. */
  private static FileChannel openLock(Path lockFile) throws IOException {
    if (Files.exists(lockFile, LinkOption.NOFOLLOW_LINKS)
        && !Files.isRegularFile(lockFile, LinkOption.NOFOLLOW_LINKS)) {
      throw new IOException("the lock " + lockFile + " is a link, or no regular file: remove it");
    }
    return FileChannel.open(
        lockFile,
        Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS),
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
  }

  /**
   * Installs the bundle under the lock. The two temporary names beside the entry are ours then; a
   * killed process may have left them.
   */
  private void replace(NativeLibraryBundle bundle, Path entry) throws IOException {
    Path fresh = entry.resolveSibling(bundle.id() + ".new");
    Path damaged = entry.resolveSibling(bundle.id() + ".old");
    deleteTree(fresh);
    deleteTree(damaged);
    try {
      bundle.extractTo(TrustedDirectory.create(fresh));
      if (Files.exists(entry, LinkOption.NOFOLLOW_LINKS)) {
        Files.move(entry, damaged, StandardCopyOption.ATOMIC_MOVE);
      }
      Files.move(fresh, entry, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      deleteTree(fresh);
      deleteTree(damaged);
    }
  }

  /**
   * Polls the lock: a blocking call has no timeout, and fails if this JVM already holds the lock.
   */
  private FileLock lock(FileChannel channel, Path lockFile) throws IOException {
    long expiry = System.nanoTime() + patience.toNanos();
    while (true) {
      FileLock lock = tryLock(channel);
      if (lock != null) {
        return lock;
      }
      if (System.nanoTime() - expiry > 0) {
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
        var interruption =
            new InterruptedIOException("interrupted while waiting for the lock " + lockFile);
        interruption.initCause(e);
        throw interruption;
      }
    }
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException heldInThisJvm) {
      return null; // held by this class in another class loader
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
