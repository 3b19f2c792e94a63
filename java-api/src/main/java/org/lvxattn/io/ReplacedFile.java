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
 * A file that is written beside its place, and takes it in one step. Links are followed: what they
 * lead to is replaced. A file that is replaced keeps its permissions; a new one has those that the
 * process gives to new files.
 */
final class ReplacedFile implements AutoCloseable {
  private static final int MOST_LINKS = 40;

  private final Path place;
  private final Path unfinished;
  private final FileChannel channel;
  private final @Nullable Set<PosixFilePermission> replaced;

  /**
   * @throws FileSystemException if it is a folder, or links lead nowhere
   */
  ReplacedFile(Path file) throws IOException {
    place = follow(file);
    if (Files.isDirectory(place)) {
      throw new FileSystemException(file.toString(), null, "a folder, expected a file");
    }
    // Short, so that names of any length have room beside it.
    unfinished = place.resolveSibling(".safetensors-" + UUID.randomUUID());
    Set<StandardOpenOption> options =
        EnumSet.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    // Nobody reads an unfinished copy of a file that they may not read.
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

  /** Those of the file that is there; null if there is none, or the file system has none. */
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

  /** Stores what was written, and puts it in its place. */
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

  /** Gives up what was not committed. */
  @Override
  public void close() throws IOException {
    channel.close();
    Files.deleteIfExists(unfinished);
  }
}
