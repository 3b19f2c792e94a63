// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 in hexadecimal digits. */
final class ContentHash {
  private static final int CHUNK = 1 << 16;

  private final MessageDigest digest;

  ContentHash() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  void add(byte[] bytes, int count) {
    digest.update(bytes, 0, count);
  }

  String text() {
    return HexFormat.of().formatHex(digest.digest());
  }

  static String of(byte[] bytes) {
    ContentHash hash = new ContentHash();
    hash.add(bytes, bytes.length);
    return hash.text();
  }

  /** Of a file's content; a link is not followed. */
  static String of(Path file) throws IOException {
    ContentHash hash = new ContentHash();
    byte[] chunk = new byte[CHUNK];
    try (InputStream in = Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS)) {
      for (int read; (read = in.read(chunk)) > 0; ) {
        hash.add(chunk, read);
      }
    }
    return hash.text();
  }
}
