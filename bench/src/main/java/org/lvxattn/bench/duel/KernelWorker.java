// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.lvxattn.CpuOptions;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Probe;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.bench.RankTensors;
import org.lvxattn.bench.Sizes;
import org.lvxattn.group.Group;

/**
 * Times this library's kernels on request, so that two programs can alternate. A request and its
 * answer are one line each. The only argument is the number of threads. Requests:
 *
 * <pre>
 * prepare B,Sq,Skv,Hq,Hkv,D forward|backward DTYPE   ok: tensors made, called once
 * run N                                              seconds of one of N calls
 * bytes                                              what a call must read and write at least
 * gemm N                                             seconds of an N x N float32 matrix product
 * read BYTES                                         seconds of reading so much memory
 * </pre>
 *
 * An answer that begins with {@code error} says what was wrong. The worker exits at the end of its
 * input.
 */
public final class KernelWorker implements AutoCloseable {
  private final Device device;
  private final Group group;
  private final Statistics statistics = Statistics.create();
  private @Nullable Job job;

  private record Job(RankTensors tensors, Runnable call) {}

  private KernelWorker(int threads) {
    device = Device.cpu(CpuOptions.builder().threads(threads).build());
    group = Group.self(device);
  }

  public static void main(String[] arguments) throws IOException {
    try (KernelWorker worker = new KernelWorker(Integer.parseInt(arguments[0]));
        BufferedReader in =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        System.out.println(worker.answer(line.split(" ", -1)));
        System.out.flush();
      }
    }
  }

  private String answer(String[] request) {
    try {
      return switch (request[0]) {
        case "prepare" -> prepare(Sizes.parse(request[1]), request[2], dtype(request[3]));
        case "run" -> String.valueOf(run(Integer.parseInt(request[1])));
        case "bytes" -> String.valueOf(prepared().tensors.bytes());
        case "gemm" -> String.valueOf(Probe.gemmSeconds(device, Long.parseLong(request[1])));
        case "read" -> String.valueOf(Probe.readSeconds(device, Long.parseLong(request[1])));
        default -> throw new IllegalArgumentException("unknown request " + request[0]);
      };
    } catch (RuntimeException e) { // the other side decides whether to go on
      return "error " + e.toString().replace('\n', ' ');
    }
  }

  private static DType dtype(String word) {
    for (DType dtype : DType.values()) {
      if (dtype.toString().equals(word)) {
        return dtype;
      }
    }
    throw new IllegalArgumentException("unknown dtype " + word);
  }

  private String prepare(Sizes sizes, String pass, DType dtype) {
    release();
    boolean backward = pass.equals("backward");
    RankTensors tensors = new RankTensors(group, sizes, dtype, backward);
    CrossAttention attention = RankTensors.attention(sizes, Strategy.QUERY_RING);
    tensors.forward(attention, statistics);
    Job next =
        new Job(
            tensors,
            backward
                ? () -> tensors.backward(attention, statistics)
                : () -> tensors.forward(attention, statistics));
    next.call.run();
    job = next;
    return "ok";
  }

  private double run(int calls) {
    Runnable call = prepared().call;
    long begin = System.nanoTime();
    for (int i = 0; i < calls; i++) {
      call.run();
    }
    return (System.nanoTime() - begin) * 1e-9 / calls;
  }

  private Job prepared() {
    Job now = job;
    if (now == null) {
      throw new IllegalStateException("nothing was prepared");
    }
    return now;
  }

  private void release() {
    Job last = job;
    job = null;
    if (last != null) {
      last.tensors.close();
    }
  }

  @Override
  public void close() {
    release();
    group.close();
    device.close();
  }
}
