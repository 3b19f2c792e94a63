// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The natives of one platform as the jar carries them: files and, in {@code natives.properties},
 * the SHA-256 of each.
 *
 * @param id hash of the index, thus of all contents
 * @param sha256 hash by file name
 * @param source where the bytes are
 */
record NativeLibraryBundle(String id, Map<String, String> sha256, Source source) {
  static final String INDEX = "natives.properties";
  private static final String HASH_KEY = "sha256.";

  /** Opens a file of the bundle by its name. */
  @FunctionalInterface
  interface Source {
    @Nullable InputStream open(String name) throws IOException;
  }

  NativeLibraryBundle {
    sha256 = Map.copyOf(sha256);
  }

  /** Reads the index; null where the source has none. */
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

  /** Writes every file into an existing directory and checks what arrived. */
  void extractTo(Path directory) throws IOException {
    for (String name : sha256.keySet()) {
      try (InputStream in = source.open(name)) {
        if (in == null) {
          throw new IOException(INDEX + " lists " + name + ", but it is not in the jar");
        }
        Files.copy(in, directory.resolve(name));
      }
    }
    String damage = damageIn(directory);
    if (damage != null) {
      throw new IOException("extracted natives are damaged: " + damage);
    }
  }

  /** What is wrong with the files in a directory, or null if each is there and as it should be. */
  @Nullable String damageIn(Path directory) throws IOException {
    for (var entry : sha256.entrySet()) {
      Path file = directory.resolve(entry.getKey());
      if (!Files.isRegularFile(file)) {
        return file + " is missing";
      }
      String hash = hashOf(file);
      if (!hash.equals(entry.getValue())) {
        return file + " has SHA-256 " + hash + ", expected " + entry.getValue();
      }
    }
    return null;
  }

  private static String hashOf(Path file) throws IOException {
    MessageDigest digest = newDigest();
    try (var in = new DigestInputStream(Files.newInputStream(file), digest)) {
      var buffer = new byte[1 << 16];
      while (in.read(buffer) >= 0) {
        // reading updates the digest
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest newDigest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
