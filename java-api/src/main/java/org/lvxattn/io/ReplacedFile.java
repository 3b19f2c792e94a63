// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * An atomic write: a temporary file in the same folder that is renamed over the target. Symbolic
 * links are followed: their target is replaced. A replaced file keeps its permissions; a new one
 * gets the process's default permissions.
 */
final class ReplacedFile implements AutoCloseable {
  private static final int MOST_LINKS = 40;

  private final Path place;
  private final Path unfinished;
  private final FileChannel channel;
  private final @Nullable Set<PosixFilePermission> replaced;

  /**
   * @throws FileSystemException if it is a folder, or a symbolic link is broken
   */
  ReplacedFile(Path file) throws IOException {
    place = follow(file);
    if (Files.isDirectory(place)) {
      throw new FileSystemException(file.toString(), null, "a folder, expected a file");
    }
    // A short name that does not depend on the length of the target's name.
    unfinished = place.resolveSibling(".safetensors-" + UUID.randomUUID());
    Set<StandardOpenOption> options =
        EnumSet.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    // An unfinished copy must not be readable by users who may not read the file.
    replaced = permissions();
    channel =
        replaced == null
            ? FileChannel.open(unfinished, options)
            : FileChannel.open(unfinished, options, ownerOnly());
  }

  private static FileAttribute<Set<PosixFilePermission>> ownerOnly() {
    return PosixFilePermissions.asFileAttribute(
        EnumSet.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE));
  }

  private static Path follow(Path file) throws IOException {
    Path place = file;
    for (int links = 0; Files.isSymbolicLink(place); links++) {
      if (links == MOST_LINKS) {
        throw new FileSystemLoopException(file.toString());
      }
      place = place.resolveSibling(Files.readSymbolicLink(place));
    }
    return place;
  }

  /**
   * Permissions of the existing file; null if there is no file, or no permissions in its file
   * system.
   */
  private @Nullable Set<PosixFilePermission> permissions() throws IOException {
    PosixFileAttributeView view =
        Files.getFileAttributeView(place, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
    return view == null || !Files.exists(place, LinkOption.NOFOLLOW_LINKS)
        ? null
        : view.readAttributes().permissions();
  }

  FileChannel channel() {
    return channel;
  }

  /** Flushes the temporary file to disk and renames it over the target. */
  void commit() throws IOException {
    Set<PosixFilePermission> now = permissions();
    Set<PosixFilePermission> kept = now == null ? replaced : now;
    if (kept != null) {
      Files.setPosixFilePermissions(unfinished, kept);
    }
    channel.force(true);
    channel.close();
    Files.move(
        unfinished, place, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  /** Discards what was not committed. */
  @Override
  public void close() throws IOException {
    channel.close();
    Files.deleteIfExists(unfinished);
  }
}
