// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Loads the jar's natives and calls a symbol, each case in a separate process. */
class NativeLibraryTest {
  private static final String ALLOW = "--enable-native-access=ALL-UNNAMED";
  private static final String LIBRARY = System.mapLibraryName("lvx");

  @TempDir Path temp;

  private static String cache(Path directory) {
    return "-D" + NativeLibrary.CACHE_PROPERTY + "=" + directory;
  }

  private static String directory(Path directory) {
    return "-D" + NativeLibrary.DIRECTORY_PROPERTY + "=" + directory;
  }

  /** The only installed entry. */
  private static Path entry(Path cache) throws IOException {
    try (Stream<Path> list = Files.list(cache)) {
      List<Path> directories = list.filter(Files::isDirectory).toList();
      assertThat(directories).hasSize(1);
      return directories.getFirst();
    }
  }

  @Test
  void loadsFromTheJarAndKeepsTheExtractedFiles() throws Exception {
    String first = ChildJvm.run(ALLOW, cache(temp));
    Path file = entry(temp).resolve(LIBRARY);
    assertThat(first).contains("1 loaded " + file + " symbols=true");
    Object key = Files.readAttributes(file, "unix:ino").get("ino");

    assertThat(ChildJvm.run(ALLOW, cache(temp))).isEqualTo(first);
    assertThat(Files.readAttributes(file, "unix:ino").get("ino")).isEqualTo(key);
  }

  @Test
  void damagedFileInTheCacheIsReplaced() throws Exception {
    ChildJvm.run(ALLOW, cache(temp));
    Path file = entry(temp).resolve(LIBRARY);
    Files.writeString(file, "not a library");

    assertThat(ChildJvm.run(ALLOW, cache(temp))).contains("1 loaded " + file + " symbols=true");
  }

  @Test
  void processesThatStartTogetherShareOneEntry() throws Exception {
    List<ChildJvm> children = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      children.add(ChildJvm.start(ALLOW, "-Xshare:auto", "-Xmx64m", cache(temp)));
    }
    for (ChildJvm child : children) {
      assertThat(child.output()).contains("1 loaded").contains("symbols=true");
    }
    String id = entry(temp).getFileName().toString();
    try (Stream<Path> list = Files.list(temp)) {
      assertThat(list.map(path -> path.getFileName().toString()))
          .containsExactlyInAnyOrder(id, id + ".lock");
    }
  }

  @Test
  void loadsFromTheDirectoryThatThePropertyNames() throws Exception {
    ChildJvm.run(ALLOW, cache(temp));
    Path natives = Files.move(entry(temp), temp.resolve("elsewhere"));
    Path unused = temp.resolve("unused");

    assertThat(ChildJvm.run(ALLOW, directory(natives), cache(unused)))
        .contains("1 loaded " + natives.resolve(LIBRARY) + " symbols=true");
    assertThat(unused).doesNotExist();
  }

  @Test
  void namedDirectoryWithoutTheLibraryIsAnErrorAndNothingElseIsTried() throws Exception {
    assertThat(ChildJvm.run(ALLOW, directory(temp), cache(temp)))
        .contains("1 failed cause=none")
        .contains(NativeLibrary.DIRECTORY_PROPERTY)
        .contains(temp.resolve(LIBRARY).toString())
        .doesNotContain("loaded");
  }

  @Test
  void theNextCallTriesAgainAfterAFailure() throws Exception {
    Files.writeString(temp.resolve(LIBRARY), "not a library");
    Path cache = temp.resolve("cache");

    assertThat(ChildJvm.run(ALLOW, directory(temp), "-Dthen=" + cache))
        .contains("1 failed cause=IOException cannot load liblvx: " + temp.resolve(LIBRARY))
        .contains("2 loaded " + cache)
        .contains("symbols=true");
  }

  @Test
  void emptyPropertiesAreErrors() throws Exception {
    for (String property :
        new String[] {NativeLibrary.DIRECTORY_PROPERTY, NativeLibrary.CACHE_PROPERTY}) {
      for (String empty : new String[] {"", " "}) {
        assertThat(ChildJvm.run(ALLOW, "-D" + property + "=" + empty))
            .contains("2 failed cause=none the system property " + property + " is empty; set it");
      }
    }
  }

  /** Files with which the dynamic linker would kill the process or give a poor message. */
  @Test
  void whatIsNoWholeLibraryForThisProcessorIsNamedWithAdvice() throws Exception {
    ChildJvm.run(ALLOW, cache(temp.resolve("cache")));
    Path natives = entry(temp.resolve("cache"));
    byte[] whole = Files.readAllBytes(natives.resolve(LIBRARY));
    byte[] foreign = whole.clone();
    foreign[18] = (byte) 183; // EM_AARCH64
    foreign[19] = 0;
    byte[] program = whole.clone();
    program[16] = 2; // ET_EXEC
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("is no shared library", "not a library".getBytes(StandardCharsets.UTF_8));
    files.put("does not begin as ELF files do", new byte[0]);
    files.put("is for another processor: aarch64; this JVM needs", foreign);
    files.put("is an ELF file, but no shared library", program);
    files.put("has been cut: it has 40 bytes", Arrays.copyOf(whole, 40));
    files.put("has been cut: it has 100 bytes", Arrays.copyOf(whole, 100));
    files.put("has been cut: it has 1000000 bytes", Arrays.copyOf(whole, 1_000_000));
    files.put("has been cut: it has", Arrays.copyOf(whole, whole.length - 1));
    for (var file : files.entrySet()) {
      Files.write(temp.resolve(LIBRARY), file.getValue());
      assertThat(ChildJvm.run(ALLOW, directory(temp)))
          .contains("2 failed cause=IOException cannot load liblvx: " + temp.resolve(LIBRARY))
          .contains(file.getKey())
          .contains("set the system property " + NativeLibrary.DIRECTORY_PROPERTY);
    }
    // A library that liblvx needs, and one that is loaded later.
    for (String other : new String[] {"libstdc++.so.6", "liblvx_gloo.so"}) {
      Path copy = copyOf(natives, temp.resolve("copy of " + other));
      if (Files.exists(copy.resolve(other))) {
        byte[] bytes = Files.readAllBytes(copy.resolve(other));
        Files.write(copy.resolve(other), Arrays.copyOf(bytes, bytes.length / 2));
        assertThat(ChildJvm.run(ALLOW, directory(copy)))
            .contains("2 failed")
            .contains(copy.resolve(other) + " has been cut");
      }
    }
  }

  /** A different library: one of the JDK. */
  @Test
  void anotherLibraryIsNamed() throws Exception {
    Path jdk = Path.of(System.getProperty("java.home"), "lib", System.mapLibraryName("zip"));
    Files.copy(jdk, temp.resolve(LIBRARY));
    Path cache = temp.resolve("cache");
    assertThat(ChildJvm.run(ALLOW, directory(temp), "-Dthen=" + cache))
        .contains("1 failed")
        .contains(temp.resolve(LIBRARY).toString())
        .contains("set the system property " + NativeLibrary.DIRECTORY_PROPERTY)
        .contains("2 loaded " + cache);
  }

  private static Path copyOf(Path natives, Path to) throws IOException {
    Files.createDirectory(to);
    try (Stream<Path> list = Files.list(natives)) {
      for (Path file : list.toList()) {
        Files.copy(file, to.resolve(file.getFileName()));
      }
    }
    return to;
  }

  @Test
  void aHomeThatCannotBeSpeltNamesTheLocaleAndTheProperty() throws Exception {
    // In octal, independent of this JVM's encoding.
    List<String> through =
        List.of(
            "sh",
            "-c",
            "XDG_CACHE_HOME=$(printf '/tmp/h\\303\\251') && export XDG_CACHE_HOME"
                + " && exec \"$@\"",
            "sh");
    Map<String, String> plain = Map.of("LANG", "C", "LC_ALL", "C");
    assertThat(ChildJvm.start(through, plain, ALLOW).output())
        .contains("2 failed cause=InvalidPathException")
        .contains("LC_ALL=C.UTF-8")
        .contains(NativeLibrary.CACHE_PROPERTY);
    // The home directory itself, as such a JVM reads it.
    assertThat(
            ChildJvm.start(List.of(), withoutCache(plain), ALLOW, "-Duser.home=/tmp/h\ufffd")
                .output())
        .contains("2 failed cause=InvalidPathException");
    assertThat(ChildJvm.start(through, plain, ALLOW, cache(temp)).output()).contains("2 loaded");
  }

  private static Map<String, String> withoutCache(Map<String, String> variables) {
    Map<String, String> all = new HashMap<>(variables);
    all.put("XDG_CACHE_HOME", "");
    all.put("HOME", "");
    return all;
  }

  @Test
  void noHomeNamesThePropertyToSet() throws Exception {
    for (String home : new String[] {"?", "", "relative"}) {
      assertThat(
              ChildJvm.start(List.of(), withoutCache(Map.of()), ALLOW, "-Duser.home=" + home)
                  .output())
          .contains("2 failed cause=none this user has no home directory")
          .contains("user.home is '" + home + "'")
          .contains("set the system property " + NativeLibrary.CACHE_PROPERTY);
    }
    Path inTheWay = Files.createFile(temp.resolve("home"));
    assertThat(
            ChildJvm.start(List.of(), withoutCache(Map.of()), ALLOW, "-Duser.home=" + inTheWay)
                .output())
        .contains("2 failed cause=IOException cannot install the natives")
        .contains("set the system property " + NativeLibrary.CACHE_PROPERTY);
  }

  @Test
  void aUserWithoutAnEntryHasNoHome() throws Exception {
    List<String> as = List.of("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups");
    List<String> probe = new ArrayList<>(as);
    probe.addAll(List.of("test", "-r", classes().toString()));
    assumeTrue(
        command(probe.toArray(String[]::new)),
        "another user's process needs root, and classes that it can read");
    assertThat(ChildJvm.start(as, withoutCache(Map.of()), ALLOW).output())
        .contains("2 failed")
        .contains("set the system property " + NativeLibrary.CACHE_PROPERTY);
    // Another user's cache is not used; the user's own cache is created.
    Path shared = temp.resolve("shared");
    ChildJvm.run(ALLOW, cache(shared));
    Path open = Files.createDirectory(temp.resolve("open"));
    Files.setAttribute(temp, "unix:mode", 0755);
    Files.setAttribute(open, "unix:mode", 01777);
    assertThat(ChildJvm.start(as, Map.of(), ALLOW, cache(open.resolve("own"))).output())
        .contains("2 loaded " + open.resolve("own"));
    assertThat(ChildJvm.run(ALLOW, cache(open.resolve("own"))))
        .contains("2 failed cause=IOException")
        .contains(open.resolve("own") + " belongs to user 54321");
  }

  private static Path classes() throws Exception {
    return Path.of(NativeLibrary.class.getProtectionDomain().getCodeSource().getLocation().toURI());
  }

  @Test
  void aFullDiskNamesThePropertyToSet() throws Exception {
    Path mount = Files.createDirectory(temp.resolve("full"));
    assumeTrue(
        command("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", mount.toString()),
        "mounting a file system needs root");
    try {
      assertThat(ChildJvm.run(ALLOW, cache(mount), "-Dthen=" + temp.resolve("cache")))
          .contains("1 failed cause=IOException cannot install the natives in " + mount)
          .contains("No space left")
          .contains("set the system property " + NativeLibrary.CACHE_PROPERTY)
          .contains("2 loaded");
      try (Stream<Path> list = Files.list(mount)) {
        assertThat(list).noneMatch(Files::isDirectory);
      }
      assertThat(command("mount", "-o", "remount,ro", mount.toString())).isTrue();
      assertThat(ChildJvm.run(ALLOW, cache(mount)))
          .contains("2 failed cause=")
          .contains("Read-only file system")
          .contains("set the system property " + NativeLibrary.CACHE_PROPERTY);
    } finally {
      assertThat(command("umount", mount.toString())).isTrue();
    }
  }

  @Test
  void platformWithoutNativesIsNamed() throws Exception {
    assertThat(ChildJvm.run(ALLOW, "-Dos.arch=vax", cache(temp)))
        .contains("no natives for this platform (linux-vax)")
        .contains(NativeLibrary.DIRECTORY_PROPERTY);
  }

  @Test
  void unwritableCacheNamesThePropertyToSet() throws Exception {
    // A file in place of the directory stops root too, unlike permissions.
    Path file = Files.createFile(temp.resolve("file"));
    assertThat(ChildJvm.run(ALLOW, cache(file.resolve("cache"))))
        .contains("cannot install the natives in " + file)
        .contains("set the system property " + NativeLibrary.CACHE_PROPERTY);
  }

  @Test
  void cacheThatForbidsExecutionNamesThePropertyToSet() throws Exception {
    Path mount = Files.createDirectory(temp.resolve("noexec"));
    assumeTrue(
        command(
            "mount", "-t", "tmpfs", "-o", "noexec,size=256m,mode=0700", "tmpfs", mount.toString()),
        "mounting a file system with noexec needs root");
    try {
      assertThat(ChildJvm.run(ALLOW, cache(mount)))
          .contains("1 failed cause=UnsatisfiedLinkError")
          .contains("forbids execution")
          .contains("set the system property " + NativeLibrary.CACHE_PROPERTY);
    } finally {
      assertThat(command("umount", mount.toString())).isTrue();
    }
  }

  @Test
  void deniedNativeAccessNamesTheOptionToAdd() throws Exception {
    assertThat(ChildJvm.run("--illegal-native-access=deny", cache(temp)))
        .contains("1 failed cause=IllegalCallerException")
        .contains("2 failed cause=IllegalCallerException")
        .contains("--enable-native-access=org.lvxattn")
        .contains("--enable-native-access=ALL-UNNAMED");
  }

  /** System.load would fail in the second one. */
  @Test
  void anyNumberOfClassLoadersLoadAtOnce() throws Exception {
    String output =
        ChildJvm.start(LoadersMain.class, List.of(), Map.of(), ALLOW, cache(temp)).output();
    List<String> lines = output.lines().toList();
    assertThat(lines).hasSize(3).allMatch(line -> line.startsWith("true symbol at "), output);
    assertThat(Set.copyOf(lines)).as("one library").hasSize(1);
  }

  /** Java's file channels refuse to work for an interrupted thread. */
  @Test
  void anInterruptedThreadLoadsAndStaysInterrupted() throws Exception {
    String output = ChildJvm.run(ALLOW, cache(temp), "-Dinterrupted=true");
    assertThat(output).contains("1 loaded").contains("symbols=true").contains("still interrupted");
  }

  private static boolean command(String... command) throws InterruptedException {
    try {
      return new ProcessBuilder(command).inheritIO().start().waitFor() == 0;
    } catch (IOException notInstalled) {
      return false;
    }
  }
}
