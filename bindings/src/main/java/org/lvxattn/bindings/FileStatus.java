// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The operating system's status of an open file.
 *
 * @param device number of the device that holds it
 * @param inode number of the inode
 * @param mode type and permissions
 * @param owner number of the owning user
 * @param size in bytes
 * @param seconds time of the last change, in seconds since 1970
 * @param nanos nanoseconds of that second
 */
record FileStatus(
    long device, long inode, int mode, int owner, long size, long seconds, long nanos) {
  private static final int TYPE = 0170000;
  private static final int REGULAR = 0100000;
  private static final int WRITABLE_BY_OTHERS = 0022;

  /** Changes whenever the content does, unless its owner forges timestamps. */
  String stamp() {
    return size + " " + seconds + "." + nanos + " " + inode;
  }

  boolean isRegular() {
    return (mode & TYPE) == REGULAR;
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
        : String.format(Locale.ROOT, "can be written by others (mode %04o)", mode & 07777);
  }

  static String userName(int user) {
    return "user " + Integer.toUnsignedString(user) + (user == 0 ? "" : ", who runs this, or root");
  }
}
