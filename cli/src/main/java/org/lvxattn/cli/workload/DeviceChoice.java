// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import java.util.function.IntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.lvxattn.CpuOptions;
import org.lvxattn.CudaOptions;
import org.lvxattn.Device;
import org.lvxattn.Engine;

/**
 * What computes, as the option {@code --device} says it.
 *
 * @param word {@code cpu}, {@code cuda} or {@code cuda:i}
 * @param kind of the device
 * @param ordinal of the GPU
 * @param engine of the GPU's attention
 */
public record DeviceChoice(String word, Device.Kind kind, int ordinal, Engine engine) {
  public static final DeviceChoice CPU = new DeviceChoice("cpu", Device.Kind.CPU, 0, Engine.LVX);

  private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,4}))?");

  /**
   * The choice that a word stands for.
   *
   * @throws IllegalArgumentException saying which words there are
   */
  public static DeviceChoice parse(String word) {
    if (word.equals(CPU.word)) {
      return CPU;
    }
    Matcher cuda = CUDA.matcher(word);
    if (!cuda.matches()) {
      throw new IllegalArgumentException(
          "unknown device '" + word + "', expected cpu, cuda or cuda:i, the GPU's number from 0");
    }
    String ordinal = cuda.group(1);
    return new DeviceChoice(
        word, Device.Kind.CUDA, ordinal == null ? 0 : Integer.parseInt(ordinal), Engine.LVX);
  }

  /** The same device with another engine. */
  public DeviceChoice withEngine(Engine engine) {
    return new DeviceChoice(word, kind, ordinal, engine);
  }

  public boolean isCpu() {
    return kind == Device.Kind.CPU;
  }

  /**
   * Opens the device.
   *
   * @param threads of a CPU device; 0: all there are
   */
  public Device open(int threads) {
    return isCpu()
        ? Device.cpu(CpuOptions.defaults().withThreads(threads))
        : Device.cuda(CudaOptions.of(ordinal).withEngine(engine));
  }

  /** For local ranks, which share the processors or the GPU. */
  public IntFunction<Device> forRanks(int ranks) {
    int share = Math.max(1, Runtime.getRuntime().availableProcessors() / Math.max(1, ranks));
    return rank -> open(share);
  }

  /**
   * For a rank among processes: as the launcher counts those of its machine, {@code cuda} alone is
   * the GPU of that number.
   */
  public DeviceChoice ofProcess(int localRank) {
    return word.equals("cuda") ? new DeviceChoice(word, kind, localRank, engine) : this;
  }

  @Override
  public String toString() {
    return word;
  }
}
