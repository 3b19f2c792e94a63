// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.Locale;

/**
 * Known machines: nodes of eight GPUs. Compute rates are those of published attention kernels in
 * half precision with headDim 128 (FlashAttention-2, arXiv 2307.08691; FlashAttention-3, arXiv
 * 2407.08608). Memory, NVLink and network rates are from the vendors' specifications, the latter
 * two per GPU and direction.
 */
public enum Preset {
  /** A100 80 GB SXM, 200 Gb/s per GPU. */
  A100_25(Gpu.A100, 25e9),
  /** A100 80 GB SXM, 400 Gb/s per GPU. */
  A100_50(Gpu.A100, 50e9),
  /** H100 SXM, 200 Gb/s per GPU. */
  H100_25(Gpu.H100, 25e9),
  /** H100 SXM, 400 Gb/s per GPU. */
  H100_50(Gpu.H100, 50e9),
  /** H200 SXM, 200 Gb/s per GPU. */
  H200_25(Gpu.H200, 25e9),
  /** H200 SXM, 400 Gb/s per GPU. */
  H200_50(Gpu.H200, 50e9);

  private static final int GPUS_PER_NODE = 8;
  private static final double NVLINK_LATENCY = 5e-6;
  private static final double NETWORK_LATENCY = 10e-6;

  private final Gpu gpu;
  private final double networkBytesPerSecond;

  Preset(Gpu gpu, double networkBytesPerSecond) {
    this.gpu = gpu;
    this.networkBytesPerSecond = networkBytesPerSecond;
  }

  /** The machine of a rank: one GPU. */
  public Machine machine() {
    return new Machine(gpu.forward, gpu.backward, gpu.memory);
  }

  /** Nodes of eight GPUs. */
  public Topology topology() {
    return new Topology(
        GPUS_PER_NODE,
        new Link(gpu.nvlink, NVLINK_LATENCY),
        new Link(networkBytesPerSecond, NETWORK_LATENCY),
        false);
  }

  /** The name in lower case with a hyphen: {@code h100-50}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** One GPU; rates in bytes and operations per second. */
  private enum Gpu {
    A100(220e12, 190e12, 2.0e12, 300e9),
    H100(650e12, 550e12, 3.35e12, 450e9),
    H200(650e12, 550e12, 4.8e12, 450e9);

    private final double forward;
    private final double backward;
    private final double memory;
    private final double nvlink;

    Gpu(double forward, double backward, double memory, double nvlink) {
      this.forward = forward;
      this.backward = backward;
      this.memory = memory;
      this.nvlink = nvlink;
    }
  }
}
