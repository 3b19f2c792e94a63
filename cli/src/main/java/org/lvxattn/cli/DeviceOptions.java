// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionBackend;
import org.lvxattn.oracle.DeviceChoice;
import picocli.CommandLine.Option;

/** The device and its attention backend. */
final class DeviceOptions {
  @Option(
      names = "--device",
      paramLabel = "D",
      converter = Choices.DeviceWord.class,
      description = Choices.DEVICE)
  private DeviceChoice device = DeviceChoice.CPU;

  @Option(
      names = "--attention-backend",
      paramLabel = "E",
      converter = Choices.AttentionBackendWord.class,
      description =
          "Attention backend on a GPU: lvx (default), cudnn, or auto, the faster of the two.")
  private @Nullable AttentionBackend attentionBackend;

  DeviceChoice choice() {
    if (attentionBackend == null) {
      return device;
    }
    if (device.isCpu()) {
      throw new UsageException("--attention-backend is a GPU's; it goes with --device cuda");
    }
    return device.withAttentionBackend(attentionBackend);
  }
}
