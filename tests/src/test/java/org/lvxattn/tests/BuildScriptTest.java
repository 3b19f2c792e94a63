// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
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
 * When {@code ./lvx} builds, what it checks and tests, and what CMake keeps of an earlier build.
 * Uses a checkout with little more than the scripts, and fake compilers.
 */
@Timeout(300)
class BuildScriptTest {
  private static final Path PROJECT = Path.of("..").toAbsolutePath().normalize();

  /** Builds if necessary; a build only writes a line to a log. */
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
    Path scripts = Files.createDirectories(checkout.resolve("tests/scripts"));
    try (DirectoryStream<Path> all =
        Files.newDirectoryStream(PROJECT.resolve("tests/scripts"), "*.sh")) {
      for (Path script : all) {
        Files.copy(script, scripts.resolve(script.getFileName()));
      }
    }
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
    return bash(0, script);
  }

  private String bash(int code, String script) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder("bash", "-c", script)
            .directory(checkout.toFile())
            .redirectErrorStream(true);
    builder.environment().clear();
    builder.environment().putAll(variables);
    Process process = builder.start();
    process.getOutputStream().close();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(out).isEqualTo(code);
    return out;
  }

  private void source(String path, String... lines) throws IOException {
    Path file = checkout.resolve(path);
    Files.createDirectories(file.getParent());
    Files.write(file, List.of(lines));
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
    String left = "CMake Warning: LEFT OUT: the MPI backend, its headers are not here\\n\\n";
    bash(BUILD.replace("echo built >>log", "printf '" + left + "'"));
    assertThat(checkout.resolve("errors"))
        .content()
        .contains("LEFT OUT: the MPI backend, its headers are not here");
  }

  /** Makes dist; Maven only deploys one file, or fails if there is a file "fail". */
  private static final String DIST =
      """
      source ./lvx
      source tests/scripts/dist.sh
      set_up() { :; }
      maven() {
        local option
        for option in "$@"; do
          case $option in
            -DaltDeploymentRepository=dist::file://*)
              mkdir -p "${option#*file://}/org"
              echo jar >"${option#*file://}/org/a.jar"
              echo sum >"${option#*file://}/org/a.jar.md5" ;;
          esac
        done
        [[ ! -e fail ]]
      }
      command_dist --without-cuda
      """;

  private void version(String jars, String natives, String url) throws IOException {
    source(
        "pom.xml",
        "<groupId>org.lvxattn</groupId>",
        "<version>" + jars + "</version>",
        "<publish.url>" + url + "</publish.url>");
    source("native/CMakeLists.txt", "project(lvxattn VERSION " + natives + " LANGUAGES C CXX)");
  }

  @Test
  void distHasChecksumsAndWarnsOfPlaceholders() throws Exception {
    version("0.2.0", "0.2.0", "https://example.invalid/lvxattn");
    assertThat(bash(DIST))
        .contains("warning: the POMs in dist name addresses of example.invalid. Set publish.url")
        .contains("org.lvxattn:lvxattn:0.2.0", "<url>file://" + checkout + "/dist</url>");
    for (String sum : List.of("sha256", "sha512")) {
      String expected = bash(sum + "sum dist/org/a.jar").split(" ", -1)[0];
      assertThat(checkout.resolve("dist/org/a.jar." + sum)).hasContent(expected);
    }
    assertThat(checkout.resolve("dist/org/a.jar.md5.sha256")).doesNotExist();
    version("0.2.0", "0.2.0", "https://example.org/lvxattn");
    assertThat(bash(DIST)).doesNotContain("warning");
  }

  @Test
  void distThatFailsLeavesTheOneBefore() throws Exception {
    version("0.2.0", "0.2.0", "https://example.org/lvxattn");
    bash(DIST);
    Files.createFile(checkout.resolve("dist/before"));
    Files.createFile(checkout.resolve("fail"));
    bash(1, DIST);
    assertThat(checkout.resolve("dist/before")).exists();
    Files.delete(checkout.resolve("fail"));
    version("0.2.0", "0.3.0", "https://example.org/lvxattn");
    assertThat(bash(2, DIST)).contains("pom.xml has version 0.2.0", "CMakeLists.txt has 0.3.0");
  }

  // ---- Help and mistakes
  // ---------------------------------------------------------------------------------------

  @Test
  void helpNamesWhatContributorsNeed() throws Exception {
    assertThat(bash("./lvx --help")).contains("build", "dist", "format", "check", "test");
    assertThat(bash("./lvx dist --help")).contains("Maven repository", "--offline");
    assertThat(bash("./lvx test --help")).contains("PATTERN", "--seed N", "--long", "LVX_SEED");
    assertThat(bash("./lvx check --help")).contains("clang-tidy", "native/src/FOLDER");
    assertThat(bash("./lvx format --help")).contains("clang-format");
  }

  @Test
  void whatIsNotUnderstoodIsNamed() throws Exception {
    assertThat(bash(2, "./lvx build --fast"))
        .contains("build takes --cuda or nothing, got '--fast'");
    assertThat(bash(2, "./lvx dist to /tmp")).contains("dist takes --offline", "got 'to /tmp'");
    assertThat(bash(2, "./lvx check all")).contains("check takes nothing, got 'all'");
    assertThat(bash(2, "./lvx format x y")).contains("format takes nothing, got 'x y'");
    assertThat(bash(2, "./lvx test Ring --sed 1")).contains("got '--sed'");
    assertThat(bash(2, "./lvx test Ring Tree")).contains("one pattern, got 'Ring' and 'Tree'");
    assertThat(bash(2, "./lvx test --seed 1")).contains("--seed goes with a pattern");
    assertThat(bash(2, "./lvx test Ring --seed")).contains("--seed needs a number");
    assertThat(bash(2, "./lvx test Ring --seed -1")).contains("a whole number", "got '-1'");
  }

  // ---- Progress
  // ---------------------------------------------------------------------------------------

  @Test
  void longStepsSayHowFarTheyAre() throws Exception {
    variables.put("LVX_PROGRESS_SECONDS", "1");
    String out =
        bash(
            """
            source ./lvx
            mkdir -p .lvx
            long() {
              echo "$1"
              sleep 2.5
            }
            logged compiling long "[12/305] Building CXX object CMakeFiles/lvx.dir/src/ring.cpp.o"
            logged packing long "[INFO] --- maven-jar-plugin:3.5.1:jar (default-jar) @ lvxattn ---"
            logged testing long "3/9 Test  #4: Ring.Turns ........ Passed 0.1 sec"
            """);
    assertThat(out)
        .containsPattern("lvx: compiling: \\d+ s \\[12/305\\] ring\\.cpp\n")
        .containsPattern("lvx: packing: \\d+ s lvxattn: jar\n")
        .containsPattern("lvx: testing: \\d+ s \\[3/9\\] Ring\\.Turns\n")
        .containsPattern("lvx: testing: done in \\d+ s\n");
  }

  // ---- One test
  // ---------------------------------------------------------------------------------------

  private void makeTests() throws IOException {
    source("native/tests/group/ring_test.cpp", "TEST_F(Ring, Turns) {", "TEST_P(Tree, Grows) {");
    source("native/tests/cuda/kernel_test.cpp", "TEST(Kernels, Rings) {");
    source("cli/src/test/java/org/lvxattn/cli/RingTest.java", "  void turns() {");
    source("native/tests/support/ring.h", "");
  }

  /** What would be built and run for a pattern. */
  private String tests(int code, String arguments) throws Exception {
    return bash(
        code,
        """
        source ./lvx
        source tests/scripts/test.sh
        set_up() { :; }
        run_native() { echo "NATIVE ${programs[*]} $(gtest_filter "$pattern") seed ${seed:-none}"; }
        maven() {
          echo "MAVEN $*" >>maven.log
          printf '[INFO] %s\\n' ' T E S T S' ------- 'Tests run: 1' 'lvxattn.seed=7' '--- next' other
        }
        find_java
        command_test\
        """
            + " "
            + arguments);
  }

  @Test
  void aNameFindsNativeAndJavaTestsAndSaysWhereItLooked() throws Exception {
    makeTests();
    assertThat(tests(0, "Ring.Turns"))
        .contains("looked in native/tests (3 tests)", "(1 classes)")
        .contains("NATIVE lvx_tests Ring.Turns:", "seed none");
    assertThat(tests(0, "'All/Tree.Grows/3' --seed 5")).contains("NATIVE lvx_tests", "seed 5");
    assertThat(tests(0, "'*Rings'")).contains("NATIVE lvx_cuda_tests");
    assertThat(tests(0, "'*Ring*' --seed=9")).contains("NATIVE lvx_cuda_tests lvx_tests");
    assertThat(checkout.resolve("maven.log"))
        .content()
        .contains("-pl cli -am", "-Dtest=*Ring*", "-Dlvxattn.seed=9");
  }

  @Test
  void aJavaTestSaysHowToRepeatItsSeed() throws Exception {
    makeTests();
    assertThat(tests(0, "'RingTest#turns'"))
        .contains("Tests run: 1\n", "lvx: to repeat: ./lvx test 'RingTest#turns' --seed 7")
        .doesNotContain("NATIVE", "other");
    assertThat(checkout.resolve("maven.log")).content().contains("-Dtest=RingTest#turns");
  }

  @Test
  void aNameThatNobodyHasGetsTheNearest() throws Exception {
    makeTests();
    assertThat(tests(2, "Ring.Turn"))
        .contains("no test is called 'Ring.Turn'", "     Ring.Turns\n");
    assertThat(tests(2, "'RingTest#turn'")).contains("     RingTest#turns\n");
    assertThat(tests(2, "RingTests")).contains("     RingTest\n");
  }

  // ---- Check
  // ---------------------------------------------------------------------------------------

  /** The steps of a check. */
  private String check() throws Exception {
    return bash(
        """
        source ./lvx
        source tests/scripts/check.sh
        set_up() { :; }
        has_command() { :; }
        step() { echo "STEP $*"; }
        command_check
        """);
  }

  @Test
  void checkTestsWhatChangedSinceTheLastOne() throws Exception {
    makeTests();
    source("native/src/group/ring.h", "");
    source("native/src/group/ring.cpp", "#include \"group/ring.h\"");
    source("cli/src/main/java/org/lvxattn/cli/Ring.java", "");
    assertThat(check())
        .contains("none has passed here yet", "--gtest_filter=Ring.Turns:", "STEP Java:");
    age();
    assertThat(check()).contains("native folders: none", "STEP format").doesNotContain("STEP Java");
    source("native/src/group/ring.h", "// other");
    assertThat(check())
        .contains(
            "native folders: group;", "--gtest_filter=Ring.Turns:Ring.Turns/*", ":Tree.Grows:")
        .contains("-DTARGETS=tidy/group/ring.cpp.passed")
        .doesNotContain("lvx_cuda_tests", "STEP Java");
    age();
    source("cli/src/main/java/org/lvxattn/cli/Ring.java", "// other");
    assertThat(check())
        .contains("native folders: none", "-Dtest=RingTest")
        .doesNotContain("STEP native", "STEP clang-tidy");
  }

  /** Makes all files older than the last check. */
  private void age() throws Exception {
    bash("find . -exec touch -d '1 hour ago' {} + && touch -d '1 minute ago' .lvx/checked");
  }

  @Test
  void aCheckThatFailedIsNoneThatPassed() throws Exception {
    makeTests();
    String failing =
        """
        source ./lvx
        source tests/scripts/check.sh
        set_up() { :; }
        logged() { [[ $1 != format* ]]; }
        command_check
        """;
    assertThat(bash(1, failing)).contains("check: FAILED: format of C and C++");
    assertThat(checkout.resolve(".lvx/checked")).doesNotExist();
  }

  // ---- CMake
  // ---------------------------------------------------------------------------------------

  /** If CMake is installed: a project that finds a header, configured by our scripts. */
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
        message(STATUS "tests ${LVX_BUILD_TESTS}")
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
  void aBuildFolderKeepsItsTests() throws Exception {
    makeACMakeProject();
    assertThat(configure("-DTESTS=OFF")).contains("tests OFF");
    assertThat(configure("-DTESTS=ON")).contains("tests ON");
    assertThat(configure("-DTESTS=OFF")).contains("tests ON");
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
