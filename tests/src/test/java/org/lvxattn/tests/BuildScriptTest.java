// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * When {@code ./lvx} builds, and what CMake keeps of an earlier build, in a checkout of little more
 * than the scripts, with compilers that only pretend.
 */
@Timeout(300)
class BuildScriptTest {
  private static final Path PROJECT = Path.of("..").toAbsolutePath().normalize();

  /** Builds if that is due, where building is a line in a log. */
  private static final String BUILD =
      """
      source ./lvx
      set_up() { :; }
      maven() { echo built >>log; }
      find_java
      build 2>>errors
      """;

  @TempDir Path temp;
  private Path checkout;
  private Path tools;
  private final Map<String, String> variables = new TreeMap<>();

  @BeforeEach
  void makeACheckout() throws Exception {
    checkout = Files.createDirectories(temp.resolve("checkout"));
    Files.copy(PROJECT.resolve("lvx"), checkout.resolve("lvx"), StandardCopyOption.COPY_ATTRIBUTES);
    Files.createDirectories(checkout.resolve("cli/target"));
    Files.createFile(checkout.resolve("pom.xml"));
    tools = Files.createDirectory(temp.resolve("tools"));
    for (String compiler : List.of("cc", "c++", "g++")) {
      tool(compiler, "echo compiler 12.2");
    }
    for (String absent : List.of("mpicc", "nvcc", "python3")) {
      tool(absent, "exit 1");
    }
    variables.put("PATH", tools + ":/usr/bin:/bin");
    variables.put("JAVA_HOME", System.getProperty("java.home"));
  }

  private void tool(String name, String script) throws IOException {
    Path file = tools.resolve(name);
    Files.deleteIfExists(file);
    Files.writeString(file, "#!/bin/sh\n" + script + "\n");
    assertThat(file.toFile().setExecutable(true)).isTrue();
  }

  private String bash(String script) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder("bash", "-c", script)
            .directory(checkout.toFile())
            .redirectErrorStream(true);
    builder.environment().clear();
    builder.environment().putAll(variables);
    Process process = builder.start();
    process.getOutputStream().close();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(out).isZero();
    return out;
  }

  private void assertBuilds(int times) throws Exception {
    bash(BUILD);
    bash(BUILD); // which is one too many, whatever was due before
    assertThat(Files.readAllLines(checkout.resolve("log"))).hasSize(times);
  }

  @Test
  void whatIsInstalledLaterIsBuilt() throws Exception {
    assertBuilds(1); // an mpicc without headers, as Debian's package of programs has it
    tool("mpicc", "exit 0");
    assertBuilds(2);
    tool("mpicc", "exit 1");
    assertBuilds(3);
  }

  @Test
  void anotherCompilerOrJdkBuilds() throws Exception {
    assertBuilds(1);
    tool("c++", "echo compiler 14.1");
    assertBuilds(2);
    Path other = Files.createDirectories(temp.resolve("jdk/bin"));
    tool("javac", "exit 0");
    Files.move(tools.resolve("javac"), other.resolve("javac"));
    Files.writeString(temp.resolve("jdk/release"), "JAVA_VERSION=\"26.0.1\"\n");
    variables.put("JAVA_HOME", temp.resolve("jdk").toString());
    assertBuilds(3);
  }

  @Test
  void nvccAndItsHeadersMatterWhereCudaWasAskedFor() throws Exception {
    assertBuilds(1);
    tool("nvcc", "echo 12.8");
    assertBuilds(1);
    Path cache = checkout.resolve("native/target/cmake/release/CMakeCache.txt");
    Files.createDirectories(cache.getParent());
    Files.writeString(cache, "LVX_BUILD_CUDA:BOOL=ON\n");
    assertBuilds(2);
    tool("nvcc", "echo 13.0");
    assertBuilds(3);
    Path wheel = Files.createDirectories(temp.resolve("wheel/nvidia/cublas/include"));
    variables.put("cuBLASLt_ROOT", temp.resolve("wheel").toString());
    assertBuilds(3);
    Files.createFile(wheel.resolve("cublasLt.h"));
    assertBuilds(4);
  }

  @Test
  void aCheckoutThatWasMovedIsBuiltThere() throws Exception {
    assertBuilds(1);
    Path there = temp.resolve("there");
    Files.move(checkout, there);
    checkout = there;
    assertBuilds(2);
  }

  @Test
  void whatIsLeftOutIsSaid() throws Exception {
    String left = "CMake Warning: LEFT OUT: the MPI engine, its headers are not here\\n\\n";
    bash(BUILD.replace("echo built >>log", "printf '" + left + "'"));
    assertThat(checkout.resolve("errors"))
        .content()
        .contains("LEFT OUT: the MPI engine, its headers are not here");
  }

  // ---- CMake
  // ---------------------------------------------------------------------------------------

  /** Where there is a CMake: a project that finds a header, through our way to configure. */
  private String configure(String... options) throws Exception {
    String path = System.getenv("PATH");
    variables.put("PATH", path);
    return bash(
        "cmake "
            + String.join(" ", options)
            + " -DPRESET=release -DSTEPS=configure -P cmake/BuildPreset.cmake 2>&1");
  }

  private void makeACMakeProject() throws Exception {
    assumeTrue(
        List.of(System.getenv("PATH").split(":")).stream()
            .anyMatch(place -> Files.isExecutable(Path.of(place, "cmake"))),
        "cmake is not on the PATH");
    Files.createDirectories(checkout.resolve("cmake"));
    Files.copy(
        PROJECT.resolve("cmake/BuildPreset.cmake"), checkout.resolve("cmake/BuildPreset.cmake"));
    Path source = Files.createDirectories(checkout.resolve("native"));
    Files.copy(PROJECT.resolve("native/CMakePresets.json"), source.resolve("CMakePresets.json"));
    Files.writeString(
        source.resolve("CMakeLists.txt"),
        """
        cmake_minimum_required(VERSION 3.22)
        project(small NONE)
        option(LVX_BUILD_CUDA "" OFF)
        find_path(Part_INCLUDE_DIR part.h HINTS "$ENV{PART}" NO_DEFAULT_PATH)
        set(MPI_LIBS "$ENV{PART}/part.h" CACHE FILEPATH "")
        message(STATUS "part ${Part_INCLUDE_DIR}, MPI ${MPI_LIBS}, CUDA ${LVX_BUILD_CUDA}")
        """);
    variables.put("PART", temp.resolve("parts").toString());
    Files.createDirectories(temp.resolve("parts"));
  }

  @Test
  void cmakeLooksAgainForWhatCameAndWhatWent() throws Exception {
    makeACMakeProject();
    Path part = temp.resolve("parts/part.h");
    assertThat(configure()).contains("part Part_INCLUDE_DIR-NOTFOUND, MPI " + part);
    Files.createFile(part);
    assertThat(configure()).contains("part " + part.getParent() + ", MPI " + part);
    Files.delete(part);
    Files.delete(part.getParent());
    variables.put("PART", temp.resolve("elsewhere").toString());
    assertThat(configure())
        .contains("part Part_INCLUDE_DIR-NOTFOUND, MPI " + temp.resolve("elsewhere/part.h"));
  }

  @Test
  void aBuildFolderThatWasMovedOrCopiedBeginsAnewAndKeepsWhatWasAsked() throws Exception {
    makeACMakeProject();
    assertThat(configure("-DCUDA=ON")).contains("CUDA ON").doesNotContain("begins anew");
    assertThat(configure()).contains("CUDA ON").doesNotContain("begins anew");
    Path moved = temp.resolve("moved");
    Files.move(checkout, moved);
    checkout = moved;
    assertThat(configure()).contains("begins anew").contains("CUDA ON");
    assertThat(configure()).contains("CUDA ON").doesNotContain("begins anew");
    // Through a link it is the same folder.
    Path link = Files.createSymbolicLink(temp.resolve("link"), moved);
    checkout = link;
    assertThat(configure()).doesNotContain("begins anew");
    checkout = temp.resolve("copy");
    run("cp", "-a", moved.toString(), checkout.toString());
    assertThat(configure("-DCUDA=OFF")).contains("begins anew").contains("CUDA OFF");
  }

  private static void run(String... command) throws Exception {
    assertThat(new ProcessBuilder(command).inheritIO().start().waitFor()).isZero();
  }
}
