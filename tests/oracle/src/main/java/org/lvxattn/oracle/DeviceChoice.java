// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import java.util.function.IntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.lvxattn.AttentionBackend;
import org.lvxattn.CpuOptions;
import org.lvxattn.CudaOptions;
import org.lvxattn.Device;

/**
 * A device, in the syntax of the option {@code --device}.
 *
 * @param word {@code cpu}, {@code cuda} or {@code cuda:i}
 * @param kind of the device
 * @param ordinal of the GPU
 * @param attentionBackend of the GPU's attention
 */
public record DeviceChoice(
    String word, Device.Kind kind, int ordinal, AttentionBackend attentionBackend) {
  public static final DeviceChoice CPU =
      new DeviceChoice("cpu", Device.Kind.CPU, 0, AttentionBackend.LVX);

  private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,4}))?");

  /**
   * Parses a word.
   *
   * @throws IllegalArgumentException that lists the valid words
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
        word,
        Device.Kind.CUDA,
        ordinal == null ? 0 : Integer.parseInt(ordinal),
        AttentionBackend.LVX);
  }

  /** The same device with another attention backend. */
  public DeviceChoice withAttentionBackend(AttentionBackend attentionBackend) {
    return new DeviceChoice(word, kind, ordinal, attentionBackend);
  }

  public boolean isCpu() {
    return kind == Device.Kind.CPU;
  }

  /**
   * Opens the device.
   *
   * @param threads number of threads of a CPU device; 0 for all
   */
  public Device open(int threads) {
    return isCpu()
        ? Device.cpu(CpuOptions.builder().threads(threads).build())
        : Device.cuda(
            CudaOptions.builder().ordinal(ordinal).attentionBackend(attentionBackend).build());
  }

  /** Opens devices of local ranks, which share the processors or the GPU. */
  public IntFunction<Device> forRanks(int ranks) {
    int share = Math.max(1, Runtime.getRuntime().availableProcessors() / Math.max(1, ranks));
    return rank -> open(share);
  }

  /**
   * The device of one process of a group: {@code cuda} without a number is the GPU with the
   * launcher's local rank.
   */
  public DeviceChoice ofProcess(int localRank) {
    return word.equals("cuda") ? new DeviceChoice(word, kind, localRank, attentionBackend) : this;
  }

  @Override
  public String toString() {
    return word;
  }
}
