// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;
import java.util.Set;

/**
 * Directories that only this user and root can replace. A file in one can be checked by its path,
 * and cannot be exchanged afterwards.
 */
final class TrustedDirectory {
  private static final int BY_OTHERS = 0002;
  private static final int BY_GROUP = 0020;
  private static final int STICKY = 01000;

  private static final FileAttribute<Set<PosixFilePermission>> OURS_ALONE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

  private TrustedDirectory() {}

  /**
   * Creates a directory and its missing parents, private to this user. Requires that no other user
   * can change the directory or exchange it.
   *
   * @return its real path
   * @throws IOException if it cannot be created, is a link, belongs to another user or is writable
   *     by others; or if a parent belongs to another user or is writable by others, unless it is
   *     sticky
   */
  static Path create(Path directory) throws IOException {
    Deque<Path> missing = new ArrayDeque<>();
    Path above = directory;
    do {
      missing.push(name(above));
      above = above.getParent();
    } while (above != null && !Files.isDirectory(above));
    // Links in the path are resolved once: later changes of them have no effect.
    Path real = Objects.requireNonNull(above, "/ is a directory").toRealPath();
    requireAbove(real);
    for (Path name : missing) {
      real = real.resolve(name);
      createOne(real);
      require(real);
    }
    return real;
  }

  private static Path name(Path directory) throws IOException {
    Path name = directory.getFileName();
    if (name == null) {
      throw new IOException("a directory below / was expected, not " + directory);
    }
    return name;
  }

  private static void createOne(Path directory) throws IOException {
    if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
      try {
        Files.createDirectory(directory, OURS_ALONE);
      } catch (FileAlreadyExistsException e) {
        // Another process has just created it, or it is something else, which the checks report.
        if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
          throw new IOException(
              directory
                  + (Files.isSymbolicLink(directory)
                      ? " is a symbolic link; a directory itself was expected"
                      : " is not a directory"),
              e);
        }
      }
    }
  }

  /** Requires that this user or root owns a directory and that others cannot write it. */
  static void require(Path directory) throws IOException {
    FileStatus found = FileStatus.of(directory);
    if (!found.isDirectory()) {
      throw new IOException(directory + " is not a directory, or a link to one");
    }
    int user = FileStatus.user();
    if (found.owner() != user && found.owner() != 0) {
      throw new IOException(
          directory
              + " belongs to user "
              + Integer.toUnsignedString(found.owner())
              + ", not to "
              + FileStatus.userName(user)
              + ": who owns it could replace the natives");
    }
    if ((found.mode() & (BY_OTHERS | BY_GROUP)) != 0) {
      throw new IOException(
          directory
              + " can be written by others ("
              + found.permissions()
              + "), who could replace the natives: chmod go-w takes that from them");
    }
  }

  /** Checks all parents from the root down, so that no other user can exchange one. */
  private static void requireAbove(Path real) throws IOException {
    int user = FileStatus.user();
    // In a user namespace root may have another number.
    int root = FileStatus.of(Objects.requireNonNull(real.getRoot())).owner();
    for (Path directory = real; directory != null; directory = directory.getParent()) {
      FileStatus found = FileStatus.of(directory);
      if (found.owner() != user && found.owner() != 0 && found.owner() != root) {
        throw new IOException(
            directory
                + " belongs to user "
                + Integer.toUnsignedString(found.owner())
                + ", who could replace what lies below");
      }
      // Root's group, and the private group that most systems give to each user, have no other
      // members.
      boolean ownGroup = found.group() == 0 || found.group() == user;
      int others = BY_OTHERS | (ownGroup ? 0 : BY_GROUP);
      if ((found.mode() & others) != 0 && (found.mode() & STICKY) == 0) {
        throw new IOException(
            directory
                + " can be written by others ("
                + found.permissions()
                + "), who could replace what lies below");
      }
    }
  }
}
