// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole way from the jar's natives to a symbol, each case in a process of its own. */
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
  void failureIsKeptWithItsCause() throws Exception {
    Files.writeString(temp.resolve(LIBRARY), "not a library");

    List<String> lines =
        ChildJvm.run(ALLOW, directory(temp)).lines().filter(l -> l.contains("failed")).toList();
    assertThat(lines).hasSize(2);
    assertThat(lines.getFirst())
        .startsWith("1 failed cause=UnsatisfiedLinkError cannot load liblvx: " + temp);
    assertThat(lines.getLast().substring(1)).isEqualTo(lines.getFirst().substring(1));
  }

  @Test
  void platformWithoutNativesIsNamed() throws Exception {
    assertThat(ChildJvm.run(ALLOW, "-Dos.arch=vax", cache(temp)))
        .contains("no natives for this platform (linux-vax)")
        .contains(NativeLibrary.DIRECTORY_PROPERTY);
  }

  @Test
  void unwritableCacheNamesThePropertyToSet() throws Exception {
    // A file in the way stops root too, unlike permissions.
    Path file = Files.createFile(temp.resolve("file"));
    assertThat(ChildJvm.run(ALLOW, cache(file.resolve("cache"))))
        .contains("cannot install the natives in " + file)
        .contains("set the system property " + NativeLibrary.CACHE_PROPERTY);
  }

  @Test
  void cacheThatForbidsExecutionNamesThePropertyToSet() throws Exception {
    Path mount = Files.createDirectory(temp.resolve("noexec"));
    assumeTrue(
        command("mount", "-t", "tmpfs", "-o", "noexec,size=256m", "tmpfs", mount.toString()),
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
        .contains("--enable-native-access=org.lvxattn")
        .contains("--enable-native-access=ALL-UNNAMED");
  }

  private static boolean command(String... command) throws InterruptedException {
    try {
      return new ProcessBuilder(command).inheritIO().start().waitFor() == 0;
    } catch (IOException notInstalled) {
      return false;
    }
  }
}
