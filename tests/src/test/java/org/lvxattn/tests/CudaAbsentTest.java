// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.Device;
import org.lvxattn.LvxException;
import org.lvxattn.cli.Main;

/** Machines without a CUDA device: an exception and {@code lvx doctor} say what is missing. */
@Timeout(300)
class CudaAbsentTest {
  private static final String PLUGIN = "liblvx_cuda.so";
  private static final Path NATIVES = Path.of(System.getProperty("lvxattn.test.plugins", ""));

  /** Opens the first GPU in a separate process, since a process loads the natives only once. */
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

  private static String opening(Path natives, Map<String, String> variables)
      throws IOException, InterruptedException {
    return JavaProcess.run(natives, variables, Opening.class.getName()).out();
  }

  private static String doctor(Path natives, Map<String, String> variables)
      throws IOException, InterruptedException {
    return JavaProcess.run(natives, variables, Main.class.getName(), "doctor").out();
  }

  @Test
  void aBuildWithoutThePluginSaysHowToBuildIt(@TempDir Path folder) throws Exception {
    // A copy: Java would resolve a link, and plug-ins are searched beside the loaded file.
    Files.copy(NATIVES.resolve("liblvx.so"), folder.resolve("liblvx.so"));
    assertThat(opening(folder, Map.of()))
        .startsWith("LvxException MISSING_LIBRARY")
        .contains("this build has no CUDA backend", PLUGIN, "./lvx build --cuda");
    assertThat(doctor(folder, Map.of()))
        .contains("this build has no CUDA backend", "./lvx build --cuda, where NVIDIA's nvcc");
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
  @SuppressWarnings("restricted") // looks for symbols and calls none
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
        .containsAnyOf("install NVIDIA's driver", "check nvidia-smi");
  }
}
