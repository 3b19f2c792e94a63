// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
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

  @Test
  void anInterruptEndsTheWaitAndTheNextCallInstalls() throws Exception {
    var bundle = bundle(Map.of("a.so", "one"));
    Path lockFile = root.resolve(bundle.id() + ".lock");
    try (var channel =
            FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock = channel.lock()) {
      assertThat(lock.isValid()).isTrue();
      Thread.currentThread().interrupt();
      assertThatThrownBy(() -> cache().install(bundle))
          .isInstanceOf(InterruptedIOException.class)
          .hasMessageContaining(lockFile.toString());
      assertThat(Thread.interrupted()).isTrue();
    }
    assertThat(cache().install(bundle).resolve("a.so")).hasContent("one");
  }

  /** The build computes the id, so that nothing is hashed at a start. */
  @Test
  void theIdOfTheIndexNamesTheEntryButDoesNotVouchForItsContent() throws Exception {
    var one = bundle(Map.of("a.so", "one"));
    var named = new NativeLibraryBundle("name", one.sha256(), one.source());
    assertThat(
            read(Map.of(NativeLibraryBundle.INDEX, "id=name\nsha256.a.so=" + "0".repeat(64))).id())
        .isEqualTo("name");
    Path entry = cache().install(named);
    assertThat(entry).hasFileName("name");
    var two = bundle(Map.of("a.so", "two"));
    assertThat(cache().install(new NativeLibraryBundle("name", two.sha256(), two.source())))
        .isEqualTo(entry);
    assertThat(entry.resolve("a.so")).hasContent("two");
  }

  @Test
  void anAdditionIsInstalledBesideTheLibraries() throws Exception {
    var base = bundle(Map.of("a.so", "one"));
    var both = base.with(bundle(Map.of("b.so", "two")));
    Path entry = cache().install(both);
    assertThat(entry.resolve("a.so")).hasContent("one");
    assertThat(entry.resolve("b.so")).hasContent("two");
    assertThat(cache().install(base)).isNotEqualTo(entry);
  }

  private static int mode(Path path) throws IOException {
    return (int) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS) & 07777;
  }

  private static void giveAway(Path path) throws IOException {
    assumeTrue("root".equals(System.getProperty("user.name")), "giving files away needs root");
    Files.setAttribute(path, "unix:uid", 65534, LinkOption.NOFOLLOW_LINKS);
  }

  private void assertRefused(Path cache, String why) throws Exception {
    var bundle = bundle(Map.of("a.so", "one"));
    assertThatThrownBy(() -> new NativeLibraryCache(cache, PATIENCE).install(bundle))
        .isInstanceOf(IOException.class)
        .hasMessageContaining(why);
    assertThat(cache.resolve(bundle.id())).doesNotExist();
  }

  @Test
  void whatItMakesIsForThisUserAlone() throws Exception {
    Path cache = root.resolve("made/by/us");
    Path entry = new NativeLibraryCache(cache, PATIENCE).install(bundle(Map.of("a.so", "one")));
    assertThat(mode(root.resolve("made"))).isEqualTo(0700);
    assertThat(mode(root.resolve("made/by"))).isEqualTo(0700);
    assertThat(mode(cache)).isEqualTo(0700);
    assertThat(mode(entry)).isEqualTo(0700);
    for (Path directory : new Path[] {entry, cache}) {
      try (Stream<Path> files = Files.list(directory)) {
        for (Path file : files.toList()) {
          assertThat(mode(file) & 0077).as("%s", file).isZero();
        }
      }
    }
  }

  @Test
  void directoriesThatOthersCanWriteAreRefused() throws Exception {
    Path cache = Files.createDirectory(root.resolve("cache"));
    for (int mode : new int[] {0777, 0770, 01777, 0702}) {
      Files.setAttribute(cache, "unix:mode", mode);
      assertRefused(cache, String.format("%s can be written by others (mode %04o)", cache, mode));
    }
    Files.setAttribute(cache, "unix:mode", 0755);
    new NativeLibraryCache(cache, PATIENCE).install(bundle(Map.of("a.so", "two")));
    // Above it, too, but for sticky ones like /tmp.
    Path above = Files.createDirectory(root.resolve("above"));
    Path below = Files.createDirectory(above.resolve("below"));
    Files.setAttribute(above, "unix:mode", 0777);
    assertRefused(below, above + " can be written by others (mode 0777)");
    assertRefused(above.resolve("missing"), above + " can be written by others (mode 0777)");
    assertThat(above.resolve("missing")).doesNotExist();
    Files.setAttribute(above, "unix:mode", 01777);
    new NativeLibraryCache(below, PATIENCE).install(bundle(Map.of("a.so", "two")));
  }

  @Test
  void directoriesOfOthersAreRefused() throws Exception {
    Path cache = Files.createDirectory(root.resolve("cache"));
    giveAway(cache);
    assertRefused(cache, cache + " belongs to user 65534");
    Path above = Files.createDirectory(root.resolve("above"));
    Path below = Files.createDirectory(above.resolve("below"));
    giveAway(above);
    assertRefused(below, above + " belongs to user 65534");
  }

  @Test
  void linksInItsPlaceAreRefused() throws Exception {
    Path real = Files.createDirectory(root.resolve("real"));
    Path link = Files.createSymbolicLink(root.resolve("link"), real);
    assertRefused(link, link + " is a symbolic link");
    Path dangling = Files.createSymbolicLink(root.resolve("dangling"), root.resolve("nowhere"));
    assertRefused(dangling, dangling + " is a symbolic link");
    assertThat(root.resolve("nowhere")).doesNotExist();
    Path file = Files.createFile(root.resolve("file"));
    assertRefused(file, file + " is not a directory");
    // One above it, of this user, is taken for what it stands for.
    Path entry =
        new NativeLibraryCache(link.resolve("cache"), PATIENCE)
            .install(bundle(Map.of("a.so", "one")));
    assertThat(entry).startsWithRaw(real.toRealPath().resolve("cache"));
  }

  @Test
  void aLockThatIsALinkIsNotFollowed() throws Exception {
    var bundle = bundle(Map.of("a.so", "one"));
    Path precious = Files.writeString(root.resolve("precious"), "content");
    Path missing = root.resolve("missing");
    Path lock = root.resolve(bundle.id() + ".lock");
    for (Path target : new Path[] {precious, missing, root}) {
      Files.createSymbolicLink(lock, target);
      assertThatThrownBy(() -> cache().install(bundle))
          .isInstanceOf(IOException.class)
          .hasMessageContaining(lock.toString());
      assertThat(precious).hasContent("content");
      assertThat(missing).doesNotExist();
      Files.delete(lock);
    }
    // Nor is one cut that somebody has written into.
    Files.writeString(lock, "content");
    cache().install(bundle);
    assertThat(lock).hasContent("content");
  }

  @Test
  void filesThatOthersCouldHaveWrittenAreReplaced() throws Exception {
    var bundle = bundle(Map.of("a.so", "one", "b.so", "two"));
    Path file = cache().install(bundle).resolve("a.so");
    Object before = Files.getAttribute(file, "unix:ino");
    assertThat(cache().install(bundle)).isEqualTo(file.getParent());
    assertThat(Files.getAttribute(file, "unix:ino")).isEqualTo(before);

    Files.setAttribute(file, "unix:mode", 0666);
    cache().install(bundle);
    assertThat(mode(file)).isEqualTo(0700);

    Path same = Files.writeString(root.resolve("same"), "one");
    Files.delete(file);
    Files.createSymbolicLink(file, same);
    cache().install(bundle);
    assertThat(file).isRegularFile().hasContent("one");
    assertThat(Files.isSymbolicLink(file)).isFalse();

    Files.delete(file);
    Files.createDirectory(file);
    cache().install(bundle);
    assertThat(file).hasContent("one");

    Path entry = Objects.requireNonNull(file.getParent());
    Files.setAttribute(entry, "unix:mode", 0775);
    cache().install(bundle);
    assertThat(mode(entry)).isEqualTo(0700);

    Path elsewhere = Files.move(entry, root.resolve("elsewhere"));
    Files.createSymbolicLink(entry, elsewhere);
    cache().install(bundle);
    assertThat(Files.isSymbolicLink(entry)).isFalse();
    assertThat(elsewhere.resolve("a.so")).hasContent("one");

    giveAway(file);
    cache().install(bundle);
    assertThat(Files.getAttribute(file, "unix:uid")).isEqualTo(0);
    giveAway(entry);
    cache().install(bundle);
    assertThat(Files.getAttribute(entry, "unix:uid")).isEqualTo(0);
  }

  /** Only what looks as recorded is trusted unread; anything else is hashed, and recorded anew. */
  @Test
  void contentIsHashedWhereSizeTimeOrInodeDiffer() throws Exception {
    var bundle = bundle(Map.of("a.so", "one"));
    Path file = cache().install(bundle).resolve("a.so");
    FileTime time = Files.getLastModifiedTime(file);
    Path record = file.resolveSibling(".verified");
    String recorded = Files.readString(record);

    // The time tells, then the size, then the inode.
    Files.writeString(file, "two");
    Files.setLastModifiedTime(file, FileTime.fromMillis(time.toMillis() + 1000));
    cache().install(bundle);
    assertThat(file).hasContent("one");
    time = Files.getLastModifiedTime(file);
    Files.writeString(file, "more than that");
    Files.setLastModifiedTime(file, time);
    cache().install(bundle);
    assertThat(file).hasContent("one");
    time = Files.getLastModifiedTime(file);
    Path other = Files.writeString(root.resolve("other"), "two");
    Files.setLastModifiedTime(other, time);
    Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
    cache().install(bundle);
    assertThat(file).hasContent("one");

    // What none of them tells is not read again: that is what makes a start quick.
    time = Files.getLastModifiedTime(file);
    Files.writeString(file, "two");
    Files.setLastModifiedTime(file, time);
    cache().install(bundle);
    assertThat(file).hasContent("two");

    // The same content with another time stays, and is recorded.
    Files.writeString(file, "one");
    Object inode = Files.getAttribute(file, "unix:ino");
    cache().install(bundle);
    assertThat(Files.getAttribute(file, "unix:ino")).isEqualTo(inode);
    assertThat(Files.readString(record)).isNotEqualTo(recorded).contains(String.valueOf(inode));
    for (String nonsense : new String[] {"", "a.so=\\u00", "\0", "x".repeat(1 << 17)}) {
      Files.writeString(record, nonsense);
      cache().install(bundle);
      assertThat(Files.getAttribute(file, "unix:ino")).isEqualTo(inode);
      assertThat(Files.readString(record)).contains("a.so=3 ");
    }
  }
}
