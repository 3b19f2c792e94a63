// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeLibraryCacheTest {
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  @TempDir Path root;

  /** A bundle of text files with a correct index. */
  private static NativeLibraryBundle bundle(Map<String, String> files) throws Exception {
    var contents = new TreeMap<>(files);
    var index = new StringBuilder();
    for (var file : files.entrySet()) {
      byte[] bytes = file.getValue().getBytes(StandardCharsets.UTF_8);
      String hash = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
      index.append("sha256.").append(file.getKey()).append('=').append(hash).append('\n');
    }
    contents.put(NativeLibraryBundle.INDEX, index.toString());
    return read(contents);
  }

  private static NativeLibraryBundle read(Map<String, String> contents) throws IOException {
    return Objects.requireNonNull(
        NativeLibraryBundle.read(
            name -> {
              String content = contents.get(name);
              return content == null
                  ? null
                  : new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8));
            }));
  }

  private NativeLibraryCache cache() {
    return new NativeLibraryCache(root, PATIENCE);
  }

  @Test
  void installsEveryFileOfTheBundle() throws Exception {
    Path entry = cache().install(bundle(Map.of("a.so", "one", "b.so", "two")));
    assertThat(entry.resolve("a.so")).hasContent("one");
    assertThat(entry.resolve("b.so")).hasContent("two");
  }

  @Test
  void otherContentGetsAnotherEntry() throws Exception {
    Path one = cache().install(bundle(Map.of("a.so", "one")));
    Path two = cache().install(bundle(Map.of("a.so", "two")));
    assertThat(one).isNotEqualTo(two);
    assertThat(one.resolve("a.so")).hasContent("one");
    assertThat(two.resolve("a.so")).hasContent("two");
  }

  @Test
  void validEntryIsUsedWithoutLockOrWrite() throws Exception {
    var bundle = bundle(Map.of("a.so", "one"));
    Path entry = cache().install(bundle);
    Path lock = root.resolve(bundle.id() + ".lock");
    Files.delete(lock);
    assertThat(cache().install(bundle)).isEqualTo(entry);
    assertThat(lock).doesNotExist();
  }

  @Test
  void changedAndMissingFilesAreRepairedAndNoRestIsLeft() throws Exception {
    var bundle = bundle(Map.of("a.so", "one", "b.so", "two"));
    Path entry = cache().install(bundle);
    Files.writeString(entry.resolve("a.so"), "changed");
    Files.delete(entry.resolve("b.so"));
    // What a process that was killed while it installed leaves behind.
    Files.writeString(
        Files.createDirectory(root.resolve(bundle.id() + ".new")).resolve("a.so"), "half");

    assertThat(cache().install(bundle)).isEqualTo(entry);
    assertThat(entry.resolve("a.so")).hasContent("one");
    assertThat(entry.resolve("b.so")).hasContent("two");
    try (Stream<Path> list = Files.list(root)) {
      assertThat(list).containsExactlyInAnyOrder(entry, root.resolve(bundle.id() + ".lock"));
    }
  }

  @Test
  void bundleThatContradictsItsIndexIsNotInstalled() throws Exception {
    String hash = "0".repeat(64);
    var wrong = read(Map.of(NativeLibraryBundle.INDEX, "sha256.a.so=" + hash, "a.so", "one"));
    assertThatThrownBy(() -> cache().install(wrong))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("a.so has SHA-256")
        .hasMessageContaining("expected " + hash);
    var incomplete = read(Map.of(NativeLibraryBundle.INDEX, "sha256.a.so=" + hash));
    assertThatThrownBy(() -> cache().install(incomplete))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("lists a.so");
    try (Stream<Path> list = Files.list(root)) {
      assertThat(list).noneMatch(Files::isDirectory);
    }
  }

  @Test
  void indexCannotLeadOutOfTheCache() {
    for (String name : new String[] {"../a.so", "/a.so", "..", "b\\\\a.so"}) {
      assertThatThrownBy(() -> read(Map.of(NativeLibraryBundle.INDEX, "sha256." + name + "=00")))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("not a plain file name");
    }
  }

  @Test
  void emptyIndexIsAnError() {
    assertThatThrownBy(() -> read(Map.of(NativeLibraryBundle.INDEX, "platform=any")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("lists no files");
  }

  @Test
  void lockThatIsNeverReleasedEndsInAnErrorThatNamesIt() throws Exception {
    var bundle = bundle(Map.of("a.so", "one"));
    Path lockFile = root.resolve(bundle.id() + ".lock");
    try (var channel =
            FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock = channel.lock()) {
      assertThat(lock.isValid()).isTrue();
      var impatient = new NativeLibraryCache(root, Duration.ofMillis(50));
      assertThatThrownBy(() -> impatient.install(bundle))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("50 ms")
          .hasMessageContaining(lockFile.toString());
    }
    assertThat(cache().install(bundle).resolve("a.so")).hasContent("one");
  }
}
