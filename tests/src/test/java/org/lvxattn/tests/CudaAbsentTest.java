// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.Device;
import org.lvxattn.LvxException;
import org.lvxattn.cli.Main;

/** Machines without a CUDA device: what is missing is said, by an exception and by doctor. */
@Timeout(300)
class CudaAbsentTest {
  private static final String PLUGIN = "liblvx_cuda.so";
  private static final Path NATIVES = Path.of(System.getProperty("lvxattn.test.plugins", ""));

  /** Opens the first GPU, in a process of its own: natives are loaded once in each. */
  static final class Opening {
    private Opening() {}

    public static void main(String[] arguments) {
      try (Device device = Device.cuda(0)) {
        System.out.println("OPENED " + device.name());
      } catch (LvxException e) {
        System.out.println(e.getClass().getSimpleName() + " " + e.status() + " " + e.getMessage());
      }
    }
  }

  private static String run(Path natives, Map<String, String> variables, String... command)
      throws IOException, InterruptedException {
    List<String> line = new ArrayList<>();
    line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    line.add("--enable-native-access=ALL-UNNAMED");
    line.add("-Dorg.lvxattn.native.dir=" + natives);
    line.add("-cp");
    line.add(Objects.requireNonNull(System.getProperty("java.class.path")));
    line.addAll(List.of(command));
    ProcessBuilder builder = new ProcessBuilder(line).redirectErrorStream(true);
    builder.environment().putAll(variables);
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return output;
  }

  private static String opening(Path natives, Map<String, String> variables)
      throws IOException, InterruptedException {
    return run(natives, variables, Opening.class.getName());
  }

  private static String doctor(Path natives, Map<String, String> variables)
      throws IOException, InterruptedException {
    return run(natives, variables, Main.class.getName(), "doctor");
  }

  @Test
  void aBuildWithoutThePluginSaysHowToBuildIt(@TempDir Path folder) throws Exception {
    Files.createSymbolicLink(
        folder.resolve("liblvx.so"), NATIVES.resolve("liblvx.so").toRealPath());
    assertThat(opening(folder, Map.of()))
        .startsWith("LvxException MISSING_LIBRARY")
        .contains("this build has no CUDA engine", PLUGIN, "./lvx build --cuda");
    assertThat(doctor(folder, Map.of()))
        .contains("this build has no CUDA engine", "./lvx build --cuda, where NVIDIA's nvcc");
  }

  @Test
  void aDriverWithoutAGpuIsToldFromNoDriver() throws Exception {
    Path standIn = NATIVES.resolveSibling("release").resolve("cuda_standin");
    Map<String, String> none = Map.of("LVX_CUDA_STANDIN_GPUS", "0");
    assertThat(opening(standIn, none))
        .startsWith("LvxException MISSING_LIBRARY")
        .contains("the NVIDIA driver finds no GPU");
    assertThat(doctor(standIn, none)).contains("finds no GPU", "nvidia-smi");
    assertThat(opening(standIn, Map.of())).startsWith("OPENED simulated GPU");
    assertThat(doctor(standIn, Map.of()))
        .contains("simulated GPU, compute capability 9.0, 4 multiprocessors");
  }

  @Test
  @SuppressWarnings("restricted")
  void thePluginItselfLoadsAndNamesTheDriverThatIsMissing() throws Exception {
    Path plugin = NATIVES.resolve(PLUGIN);
    assumeTrue(Files.exists(plugin), "nvcc has not built " + plugin);
    try (Arena arena = Arena.ofConfined()) {
      SymbolLookup symbols = SymbolLookup.libraryLookup(plugin, arena);
      assertThat(symbols.find("lvx_plugin_version")).isPresent();
      assertThat(symbols.find("lvx_plugin_open_cuda")).isPresent();
      assertThat(symbols.find("cudaMalloc")).as("the runtime stays inside").isEmpty();
    }
    String opened = opening(NATIVES, Map.of());
    assumeTrue(!opened.startsWith("OPENED"), "there is a GPU");
    assertThat(opened)
        .startsWith("LvxException MISSING_LIBRARY")
        .containsAnyOf("libcuda.so.1", "finds no GPU");
    assertThat(doctor(NATIVES, Map.of()))
        .containsAnyOf("install NVIDIA's driver", "look for GPUs with nvidia-smi");
  }
}
