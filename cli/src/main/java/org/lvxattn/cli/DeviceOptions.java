// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import org.jspecify.annotations.Nullable;
import org.lvxattn.Engine;
import org.lvxattn.cli.workload.DeviceChoice;
import picocli.CommandLine.Option;

/** What computes, and by which engine. */
final class DeviceOptions {
  @Option(
      names = "--device",
      paramLabel = "D",
      converter = Choices.DeviceWord.class,
      description = Choices.DEVICE)
  private DeviceChoice device = DeviceChoice.CPU;

  @Option(
      names = "--engine",
      paramLabel = "E",
      converter = Choices.EngineWord.class,
      description =
          "What computes attention on a GPU: lvx (default), cudnn, or auto, the faster of them.")
  private @Nullable Engine engine;

  DeviceChoice choice() {
    if (engine == null) {
      return device;
    }
    if (device.isCpu()) {
      throw new UsageException("--engine is a GPU's; it goes with --device cuda");
    }
    return device.withEngine(engine);
  }
}
