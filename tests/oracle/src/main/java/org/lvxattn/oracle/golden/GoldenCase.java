// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.io.Safetensors;
import org.lvxattn.io.StoredTensor;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Results;

/**
 * One plain attention case: inputs, ways to pass the mask, and expected results; all [B, H, S, D].
 */
final class GoldenCase {
  private static final Set<String> RESULTS =
      Set.of(
          "o",
          "lse",
          "dq",
          "dk",
          "dv",
          "delta",
          "dbias",
          "o_part",
          "lse_part",
          "dq_part",
          "dk_rows",
          "dv_rows",
          "dk_sum",
          "dv_sum");
  private static final Set<String> INPUTS =
      Set.of(
          "q",
          "k",
          "v",
          "do",
          "mask",
          "bias",
          "kv_start",
          "kv_end",
          "kv_len",
          "kv_rows",
          "shard_bounds",
          "frame_pos");

  private static final Set<String> REPEATED_INPUTS = Set.of("kv_rows_of", "k_rows", "v_rows");

  private final Safetensors file;
  private final GoldenSpec spec;
  private final AttentionShape shape;
  private final @Nullable Bias bias;
  private final @Nullable RepeatedRows repeated;
  private final List<MaskWay> ways;
  private final Results expected = new Results();

  final float[] q;
  final float[] k;
  final float[] v;
  final float[] outputGradient;

  /** Bounds of the key shards for the per-shard results; empty if there are none. */
  final int[] shardBounds;

  /** The rows of dk and dv that the file gives; empty if it gives all. */
  final int[] keyRows;

  private GoldenCase(Safetensors file, GoldenSpec spec) {
    this.file = file;
    this.spec = spec;
    this.shape = spec.shape();
    long[] queryShape = {shape.batch(), shape.queryHeads(), shape.queries(), shape.headDim()};
    repeated = RepeatedRows.read(file, spec);
    q = input("q", queryShape);
    k = keys("k");
    v = keys("v");
    outputGradient = input("do", queryShape);
    shardBounds = integers("shard_bounds");
    keyRows = integers("kv_rows");
    bias = file.tensors().containsKey("bias") ? readBias(file.tensor("bias")) : null;
    ways = ways(readMask());
    for (StoredTensor tensor : file.tensors().values()) {
      if (RESULTS.contains(tensor.name())) {
        expected.put(tensor.name(), result(tensor));
      } else if (!isInput(tensor.name())) {
        throw new GoldenException("tensor " + tensor + " is of no kind that is known here");
      }
    }
    checkExtents();
  }

  /** Reads a case whose spec was already read. */
  static GoldenCase read(Path path, GoldenSpec spec) throws IOException {
    try (Safetensors file = Safetensors.open(path)) {
      return new GoldenCase(file, spec);
    } catch (IllegalArgumentException e) {
      throw new GoldenException(String.valueOf(e.getMessage()));
    }
  }

  GoldenSpec spec() {
    return spec;
  }

  AttentionShape shape() {
    return shape;
  }

  @Nullable Bias bias() {
    return bias;
  }

  /** The dtype of the bias for attention in the given dtype. */
  DType biasIn(DType dtype) {
    return spec.hasHugeBias() ? dtype.accumulator() : dtype;
  }

  /** All ways to pass the mask; all must give the same results. */
  List<MaskWay> ways() {
    return ways;
  }

  /** The expected results by name, in the order of the file. */
  Results expected() {
    return expected;
  }

  /** Whether all keys are repetitions of a few rows in the file. */
  boolean repeatsKeys() {
    return repeated != null;
  }

  private boolean isInput(String name) {
    return INPUTS.contains(name) || (repeated != null && REPEATED_INPUTS.contains(name));
  }

  private float[] keys(String name) {
    long rows = repeated == null ? shape.keys() : repeated.rows();
    long[] keyShape = {shape.batch(), shape.keyHeads(), rows, shape.headDim()};
    return repeated == null
        ? input(name, keyShape)
        : repeated.expand(input(name + "_rows", keyShape), keyBlocks(), shape.headDim());
  }

  /** An expected result; gradients of repeated rows are expanded to every key. */
  private double[] result(StoredTensor tensor) {
    boolean ofRows = tensor.name().equals("dk_rows") || tensor.name().equals("dv_rows");
    return repeated != null && ofRows
        ? repeated.expand(tensor, keyBlocks(), shape.headDim())
        : StoredNumbers.doubles(tensor);
  }

  private int keyBlocks() {
    return shape.batch() * shape.keyHeads();
  }

  private float[] input(String name, long[] dimensions) {
    StoredTensor tensor = file.tensor(name);
    if (!Arrays.equals(tensor.shape(), dimensions)) {
      throw new GoldenException(
          "tensor " + tensor + ", expected shape " + Arrays.toString(dimensions));
    }
    return StoredNumbers.floats(tensor);
  }

  private int[] integers(String name) {
    return file.tensors().containsKey(name) ? StoredNumbers.ints(file.tensor(name)) : new int[0];
  }

  private Bias readBias(StoredTensor tensor) {
    Bias read = new Bias(StoredNumbers.floats(tensor), tensor.shape());
    long[] full = {shape.batch(), shape.queryHeads(), shape.queries(), shape.keys()};
    for (int i = 0; i < full.length; i++) {
      if (read.shape()[i] != full[i] && (i == 3 || read.shape()[i] != 1)) {
        throw new GoldenException(
            "tensor " + tensor + " does not broadcast to " + Arrays.toString(full));
      }
    }
    return read;
  }

  /** The mask, in either form of the file; if the file has both forms, they must be equal. */
  private @Nullable VisibilityMask readMask() {
    int batch = shape.batch();
    int queries = Math.toIntExact(shape.queries());
    int keys = Math.toIntExact(shape.keys());
    List<VisibilityMask> masks = new ArrayList<>();
    if (file.tensors().containsKey("mask")) {
      StoredTensor mask = file.tensor("mask");
      masks.add(new VisibilityMask(StoredNumbers.ints(mask), mask.shape()));
    }
    if (file.tensors().containsKey("kv_start") || file.tensors().containsKey("kv_end")) {
      int[] begins = bounded("kv_start", batch * queries, keys);
      int[] ends = bounded("kv_end", batch * queries, keys);
      masks.add(VisibilityMask.ofIntervals(begins, ends, batch, queries, keys));
    }
    if (file.tensors().containsKey("kv_len")) {
      masks.add(VisibilityMask.ofPrefixes(bounded("kv_len", batch, keys), keys));
    }
    if (masks.isEmpty()) {
      return null;
    }
    for (VisibilityMask mask : masks) {
      mask.checkFits(batch, shape.queryHeads(), queries, keys);
      if (mask != masks.getLast()
          && !masks.getLast().sameAs(mask, shape.queryHeads(), batch, queries, keys)) {
        throw new GoldenException("mask contradicts kv_start and kv_end, or kv_len");
      }
    }
    return masks.getFirst();
  }

  private int[] bounded(String name, int count, int most) {
    int[] values = StoredNumbers.ints(file.tensor(name));
    if (values.length != count) {
      throw new GoldenException(name + " holds " + values.length + " numbers, expected " + count);
    }
    for (int value : values) {
      if (value < 0 || value > most) {
        throw new GoldenException(name + " holds " + value + ", expected 0 to " + most);
      }
    }
    return values;
  }

  private List<MaskWay> ways(@Nullable VisibilityMask mask) {
    if (mask == null) {
      return List.of(new MaskWay("unmasked", null, bias));
    }
    int queries = Math.toIntExact(shape.queries());
    int keys = Math.toIntExact(shape.keys());
    List<MaskWay> all = new ArrayList<>();
    if (mask.sameForAllHeads(shape.batch(), queries, keys)) {
      VisibilityRanges ranges = VisibilityRanges.of(mask, shape.batch(), queries, keys);
      all.add(new MaskWay("ranges", ranges, bias));
    }
    all.add(new MaskWay("bias", null, Bias.of(mask, bias, shape)));
    return List.copyOf(all);
  }

  private void checkExtents() {
    int last = 0;
    for (int i = 0; i < shardBounds.length; i++) {
      if (shardBounds[i] < last || (i == 0 && shardBounds[i] != 0)) {
        throw new GoldenException("shard_bounds do not ascend from 0");
      }
      last = shardBounds[i];
    }
    if (shardBounds.length > 0 && last != shape.keys()) {
      throw new GoldenException("shard_bounds end at " + last + ", expected " + shape.keys());
    }
    for (int row : keyRows) {
      if (row < 0 || row >= shape.keys()) {
        throw new GoldenException("kv_rows holds " + row + ", expected 0 to " + shape.keys());
      }
    }
  }
}
