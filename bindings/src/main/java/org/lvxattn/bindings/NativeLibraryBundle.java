// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The natives of one platform in the jar: files and, in {@code natives.properties}, the SHA-256 of
 * each.
 *
 * @param id hash of the index, and thus of all contents
 * @param sha256 hash by file name
 * @param source opens the files
 */
record NativeLibraryBundle(String id, Map<String, String> sha256, Source source) {
  static final String INDEX = "natives.properties";
  private static final String HASH_KEY = "sha256.";
  private static final String RECORD = ".verified"; // no name of the bundle begins like that
  private static final long MOST_RECORDED = 1 << 16;
  private static final Set<OpenOption> NEW_FILE =
      Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
  private static final FileAttribute<?> OURS_ALONE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

  /** Opens a file of the bundle by its name. */
  @FunctionalInterface
  interface Source {
    @Nullable InputStream open(String name) throws IOException;
  }

  NativeLibraryBundle {
    sha256 = Map.copyOf(sha256);
  }

  /** Reads the index; null if the source has none. */
  static @Nullable NativeLibraryBundle read(Source source) throws IOException {
    byte[] index;
    try (InputStream in = source.open(INDEX)) {
      if (in == null) {
        return null;
      }
      index = in.readAllBytes();
    }
    var properties = new Properties();
    properties.load(new StringReader(new String(index, StandardCharsets.UTF_8)));
    var hashes = new TreeMap<String, String>();
    for (String key : properties.stringPropertyNames()) {
      if (key.startsWith(HASH_KEY)) {
        String name = key.substring(HASH_KEY.length());
        // Names become paths below the cache directory and must not lead out of it.
        if (name.isEmpty() || name.startsWith(".") || name.contains("/") || name.contains("\\")) {
          throw new IOException(INDEX + ": '" + name + "' is not a plain file name");
        }
        hashes.put(name, properties.getProperty(key));
      }
    }
    if (hashes.isEmpty()) {
      throw new IOException(INDEX + ": lists no files");
    }
    String id = HexFormat.of().formatHex(newDigest().digest(index)).substring(0, 32);
    return new NativeLibraryBundle(id, hashes, source);
  }

  /** Condition of a bundle in a directory. */
  enum Condition {
    /** All files are there with the right content, according to the record. */
    RECORDED,
    /** All files are there with the right content, according to their hashes. */
    INTACT,
    /** A file is missing, has other content, or could have been written by another user. */
    DAMAGED
  }

  /** Writes every file into an existing directory, checks its hash, and records it. */
  void extractTo(Path directory) throws IOException {
    for (var entry : sha256.entrySet()) {
      String name = entry.getKey();
      MessageDigest digest = newDigest();
      try (InputStream in = source.open(name)) {
        if (in == null) {
          throw new IOException(INDEX + " lists " + name + ", but it is not in the jar");
        }
        try (var out = Files.newByteChannel(directory.resolve(name), NEW_FILE, OURS_ALONE)) {
          new DigestInputStream(in, digest).transferTo(Channels.newOutputStream(out));
        }
      }
      requireHash(name, HexFormat.of().formatHex(digest.digest()), entry.getValue());
    }
    record(directory);
  }

  private static void requireHash(String name, String found, String expected) throws IOException {
    if (!found.equals(expected)) {
      throw new IOException(
          "natives are damaged: " + name + " has SHA-256 " + found + ", expected " + expected);
    }
  }

  /** Records the status of the files in a directory, whose content is known. */
  void record(Path directory) throws IOException {
    var lines = new StringBuilder();
    for (String name : sha256.keySet()) {
      try (OpenFile file = OpenFile.read(directory.resolve(name))) {
        lines.append(name).append('=').append(file.status().stamp()).append('\n');
      }
    }
    // Written under another name first, so that no reader sees a part of it.
    Path fresh = directory.resolve(RECORD + ".new");
    Files.deleteIfExists(fresh);
    try (var out = Files.newByteChannel(fresh, NEW_FILE, OURS_ALONE)) {
      ByteBuffer bytes = ByteBuffer.wrap(lines.toString().getBytes(StandardCharsets.UTF_8));
      while (bytes.hasRemaining()) {
        out.write(bytes);
      }
    }
    Files.move(fresh, directory.resolve(RECORD), StandardCopyOption.ATOMIC_MOVE);
  }

  /**
   * Checks every file through its descriptor. Hashes the content only if size, time of change or
   * inode differ from the record.
   *
   * @param directory a directory that other users cannot write
   */
  Condition conditionIn(Path directory) throws IOException {
    int user = OpenFile.user();
    Properties recorded = recordIn(directory, user);
    boolean known = true;
    for (var entry : sha256.entrySet()) {
      try (OpenFile file = OpenFile.read(directory.resolve(entry.getKey()))) {
        FileStatus status = file.status();
        if (status.distrust(user) != null) {
          return Condition.DAMAGED;
        }
        if (!status.stamp().equals(recorded.getProperty(entry.getKey()))) {
          known = false;
          if (!file.sha256().equals(entry.getValue())) {
            return Condition.DAMAGED;
          }
        }
      } catch (NoSuchFileException e) {
        return Condition.DAMAGED;
      }
    }
    return known ? Condition.RECORDED : Condition.INTACT;
  }

  private static Properties recordIn(Path directory, int user) throws IOException {
    var recorded = new Properties();
    try (OpenFile file = OpenFile.read(directory.resolve(RECORD))) {
      FileStatus status = file.status();
      if (status.distrust(user) == null) {
        int bytes = (int) Math.min(status.size(), MOST_RECORDED);
        recorded.load(
            new StringReader(StandardCharsets.UTF_8.decode(file.read(0, bytes)).toString()));
      }
    } catch (NoSuchFileException | IllegalArgumentException e) {
      recorded.clear(); // without a record, every file is hashed
    }
    return recorded;
  }

  static MessageDigest newDigest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
