// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.oracle.JsonReader;

/** Runs {@code lvx verify} on PyTorch's results, as users do. */
@Timeout(600)
class GoldenTest {
  private static final String RANKS = "1,2,3,5";
  private static final int RANK_COUNTS = 4;
  private static final Path SUBSET = Path.of("src/test/resources/goldens");

  /** The whole set: beside the repository, or where a property says. */
  private static final Path WHOLE =
      Path.of(System.getProperty("lvx.goldens", "../../shared/goldens"));

  @TempDir private @Nullable Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"float64", "float32", "bfloat16", "float16"})
  void theSubsetPasses(String dtype) throws Exception {
    Map<String, @Nullable Object> report = verify(SUBSET, dtype);
    assertThat(report)
        .containsEntry("failed", 0L)
        .containsEntry("passed", RANK_COUNTS * judged(SUBSET, dtype));
  }

  @ParameterizedTest
  @ValueSource(strings = {"float64", "float32", "bfloat16", "float16"})
  void theWholeSetPassesWhereItIs(String dtype) throws Exception {
    assumeTrue(Files.isDirectory(WHOLE), () -> "no golden cases in " + WHOLE.toAbsolutePath());
    Map<String, @Nullable Object> report = verify(WHOLE, dtype);
    assertThat(report)
        .containsEntry("failed", 0L)
        .containsEntry("passed", RANK_COUNTS * judged(WHOLE, dtype));
  }

  /** All cases; in half precision whole layers are skipped. */
  private static long judged(Path goldens, String dtype) throws IOException {
    boolean half = dtype.equals("bfloat16") || dtype.equals("float16");
    long plain = count(goldens, "plain_");
    long layers =
        count(goldens, "llama3v_") + count(goldens, "flamingo_") + count(goldens, "owl3_");
    assertThat(plain).isGreaterThan(20);
    assertThat(layers).isGreaterThan(5);
    return half ? plain : plain + layers;
  }

  private static long count(Path goldens, String prefix) throws IOException {
    try (Stream<Path> files = Files.list(goldens)) {
      return files.filter(file -> file.getFileName().toString().startsWith(prefix)).count();
    }
  }

  /** Runs the command in a separate JVM. */
  private Map<String, @Nullable Object> verify(Path goldens, String dtype) throws Exception {
    Path out = Objects.requireNonNull(folder).resolve("report.json");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                "org.lvxattn.cli.Main",
                "verify",
                goldens.toString(),
                "--ranks",
                RANKS,
                "--dtype",
                dtype,
                "--json")
            .redirectOutput(out.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try {
      assertThat(process.waitFor(5, TimeUnit.MINUTES)).as("lvx verify has ended").isTrue();
    } finally {
      process.destroyForcibly();
    }
    String text = Files.readString(out);
    assertThat(process.exitValue()).as(text).isZero();
    return JsonReader.readObject(text);
  }
}
