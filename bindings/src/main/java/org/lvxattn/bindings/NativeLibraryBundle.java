// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
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
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The natives of one platform in the jars: files and, in {@code natives.properties}, the SHA-256 of
 * each and an id of all contents.
 *
 * @param id names the contents; the build computes it, so that nothing is hashed at a start
 * @param sha256 hash by file name
 * @param source opens the files
 */
record NativeLibraryBundle(String id, Map<String, String> sha256, Source source) {
  static final String INDEX = "natives.properties";
  private static final String HASH_KEY = "sha256.";
  private static final String ID_KEY = "id";
  private static final int ID_DIGITS = 32;
  private static final String RECORD = ".verified"; // no name of the bundle begins like that
  private static final long MOST_RECORDED = 1 << 16;
  private static final int CHUNK = 1 << 16;
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
    Map<String, String> values = lines(new String(index, StandardCharsets.UTF_8));
    var hashes = new TreeMap<String, String>();
    for (var value : values.entrySet()) {
      if (value.getKey().startsWith(HASH_KEY)) {
        String name = value.getKey().substring(HASH_KEY.length());
        requirePlainName(name);
        hashes.put(name, value.getValue());
      }
    }
    if (hashes.isEmpty()) {
      throw new IOException(INDEX + ": lists no files");
    }
    String id = values.get(ID_KEY);
    if (id == null) {
      id = ContentHash.of(index).substring(0, ID_DIGITS);
    }
    requirePlainName(id);
    return new NativeLibraryBundle(id, hashes, source);
  }

  /** Names become paths below the cache directory and must not lead out of it. */
  private static void requirePlainName(String name) throws IOException {
    if (name.isEmpty()
        || name.startsWith(".")
        || name.indexOf('/') >= 0
        || name.indexOf('\\') >= 0) {
      throw new IOException(INDEX + ": '" + name + "' is not a plain file name");
    }
  }

  /** This bundle with the files of another one, which has none of the same name. */
  NativeLibraryBundle with(NativeLibraryBundle other) {
    var all = new TreeMap<>(sha256);
    all.putAll(other.sha256);
    Source both =
        name -> other.sha256.containsKey(name) ? other.source.open(name) : source.open(name);
    return new NativeLibraryBundle(id + "-" + other.id, all, both);
  }

  /** The lines {@code key=value} of a text. */
  private static Map<String, String> lines(String text) {
    var lines = new TreeMap<String, String>();
    for (int begin = 0; begin < text.length(); ) {
      int end = text.indexOf('\n', begin);
      end = end < 0 ? text.length() : end;
      int equals = text.indexOf('=', begin);
      if (equals >= 0 && equals < end) {
        lines.put(text.substring(begin, equals), text.substring(equals + 1, end));
      }
      begin = end + 1;
    }
    return lines;
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
    byte[] chunk = new byte[CHUNK];
    for (var entry : sha256.entrySet()) {
      String name = entry.getKey();
      ContentHash hash = new ContentHash();
      try (InputStream in = source.open(name)) {
        if (in == null) {
          throw new IOException(INDEX + " lists " + name + ", but it is not in the jar");
        }
        try (var out = Files.newByteChannel(directory.resolve(name), NEW_FILE, OURS_ALONE)) {
          OutputStream stream = Channels.newOutputStream(out);
          for (int read; (read = in.read(chunk)) > 0; ) {
            hash.add(chunk, read);
            stream.write(chunk, 0, read);
          }
        }
      }
      requireHash(name, hash.text(), entry.getValue());
    }
    record(directory);
  }

  private static void requireHash(String name, String found, String expected) throws IOException {
    if (!found.equals(expected)) {
      throw new IOException(
          "natives are damaged: " + name + " has SHA-256 " + found + ", expected " + expected);
    }
  }

  /** Records status and hash of the files in a directory, whose content is known. */
  void record(Path directory) throws IOException {
    var lines = new StringBuilder();
    for (var entry : sha256.entrySet()) {
      String status = recorded(FileStatus.of(directory.resolve(entry.getKey())), entry.getValue());
      lines.append(entry.getKey()).append('=').append(status).append('\n');
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

  private static String recorded(FileStatus status, String sha256) {
    return status.stamp() + " " + sha256;
  }

  /**
   * Checks every file. Hashes the content only if size, time of change, inode or expected hash
   * differ from the record.
   *
   * @param directory a trusted directory: other users cannot exchange files in it
   */
  Condition conditionIn(Path directory) throws IOException {
    int user = FileStatus.user();
    Map<String, String> record = recordIn(directory, user);
    boolean known = true;
    for (var entry : sha256.entrySet()) {
      Path file = directory.resolve(entry.getKey());
      FileStatus status;
      try {
        status = FileStatus.of(file);
      } catch (NoSuchFileException e) {
        return Condition.DAMAGED;
      }
      if (status.distrust(user) != null) {
        return Condition.DAMAGED;
      }
      if (!recorded(status, entry.getValue()).equals(record.get(entry.getKey()))) {
        known = false;
        if (!ContentHash.of(file).equals(entry.getValue())) {
          return Condition.DAMAGED;
        }
      }
    }
    return known ? Condition.RECORDED : Condition.INTACT;
  }

  /** The record of a directory; empty, so that every file is hashed, where there is none. */
  private static Map<String, String> recordIn(Path directory, int user) throws IOException {
    Path file = directory.resolve(RECORD);
    try {
      FileStatus status = FileStatus.of(file);
      if (status.distrust(user) == null && status.size() <= MOST_RECORDED) {
        // Not strict about UTF-8: what is no record matches no file.
        return lines(new String(Files.readAllBytes(file), StandardCharsets.UTF_8));
      }
    } catch (NoSuchFileException absent) {
      // as an empty one
    }
    return Map.of();
  }
}
