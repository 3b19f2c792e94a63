// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The operating system's status of a file, of a link itself.
 *
 * @param inode number of the inode
 * @param mode type and permissions
 * @param owner number of the owning user
 * @param group number of the group
 * @param size in bytes
 * @param changed time of the content's last change, in nanoseconds since 1970
 */
record FileStatus(long inode, int mode, int owner, int group, long size, long changed) {
  private static final int TYPE = 0170000;
  private static final int REGULAR = 0100000;
  private static final int DIRECTORY = 0040000;
  private static final int WRITABLE_BY_OTHERS = 0022;
  private static final byte[] EFFECTIVE_USER = {'\n', 'U', 'i', 'd', ':', '\t'};

  private static volatile @Nullable Integer user;

  static FileStatus of(Path file) throws IOException {
    Map<String, Object> found =
        Files.readAttributes(
            file, "unix:ino,mode,uid,gid,size,lastModifiedTime", LinkOption.NOFOLLOW_LINKS);
    return new FileStatus(
        (long) value(found, "ino"),
        (int) value(found, "mode"),
        (int) value(found, "uid"),
        (int) value(found, "gid"),
        (long) value(found, "size"),
        ((FileTime) value(found, "lastModifiedTime")).to(TimeUnit.NANOSECONDS));
  }

  private static Object value(Map<String, Object> found, String name) {
    return Objects.requireNonNull(found.get(name));
  }

  /** Changes whenever the content does, unless its owner forges timestamps. */
  String stamp() {
    return size + " " + changed + " " + inode;
  }

  boolean isRegular() {
    return (mode & TYPE) == REGULAR;
  }

  boolean isDirectory() {
    return (mode & TYPE) == DIRECTORY;
  }

  String permissions() {
    return String.format(Locale.ROOT, "mode %04o", mode & 07777);
  }

  /** Why another user may have created or changed this file, or null. */
  @Nullable String distrust(int user) {
    if (!isRegular()) {
      return "is not a regular file";
    }
    if (owner != user && owner != 0) {
      return "belongs to user " + Integer.toUnsignedString(owner) + ", not to " + userName(user);
    }
    return (mode & WRITABLE_BY_OTHERS) == 0
        ? null
        : "can be written by others (" + permissions() + ")";
  }

  static String userName(int user) {
    return "user " + Integer.toUnsignedString(user) + (user == 0 ? "" : ", who runs this, or root");
  }

  /** The effective user of this process, from Linux, since Java does not tell its number. */
  static int user() throws IOException {
    Integer known = user;
    if (known == null) {
      known = userIn(Files.readAllBytes(Path.of("/proc/self/status")));
      user = known;
    }
    return known;
  }

  /** The second number of the line "Uid:", of the real, effective, saved and file system's user. */
  private static int userIn(byte[] status) throws IOException {
    for (int at = 0; at + EFFECTIVE_USER.length <= status.length; at++) {
      int same = 0;
      while (same < EFFECTIVE_USER.length && status[at + same] == EFFECTIVE_USER[same]) {
        same++;
      }
      if (same == EFFECTIVE_USER.length) {
        int digit = at + same;
        while (status[digit] != '\t') {
          digit++;
        }
        long number = 0;
        while (status[++digit] != '\t') {
          number = 10 * number + status[digit] - '0';
        }
        return (int) number;
      }
    }
    throw new IOException("/proc/self/status does not name the user of this process");
  }
}
