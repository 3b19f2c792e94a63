// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;

/** One rank's tensors of a problem, filled with its shards. */
final class RankTensors implements AutoCloseable {
  final Tensor q;
  final Tensor k;
  final Tensor v;
  final Tensor dO;
  final Tensor o;
  final Tensor lse;
  final Tensor dq;
  final Tensor dk;
  final Tensor dv;
  final @Nullable Tensor dBias;
  final Mask mask;
  final Statistics forward = Statistics.create();
  final Statistics backward = Statistics.create();

  private final Workload work;
  private final CrossAttention attention;
  private final Device device;
  private final int rank;
  private final AttentionInputs inputs;
  private final AttentionOutputs outputs;
  private final GradientOutputs gradients;
  private final Window queries;
  private final Window keys;
  private final List<Tensor> made = new ArrayList<>();

  RankTensors(Workload work, DType dtype, Device device, int rank) {
    this.work = work;
    this.attention = work.attention();
    this.device = device;
    this.rank = rank;
    queries = Window.of(work.queries, rank);
    keys = Window.of(work.keys, rank);
    int sq = work.queries[rank];
    int skv = work.keys[rank];
    int width = work.heads * work.headDim;
    int keyWidth = work.keyHeads * work.headDim;
    long[] queryShape = {work.batch, sq, work.heads, work.headDim};
    long[] keyShape = {work.batch, skv, work.keyHeads, work.headDim};
    q = empty(dtype, queryShape).copyFrom(queries.cut(work.q, width));
    k = empty(dtype, keyShape).copyFrom(keys.cut(work.k, keyWidth));
    v = empty(dtype, keyShape).copyFrom(keys.cut(work.v, keyWidth));
    dO = empty(dtype, queryShape).copyFrom(queries.cut(work.dO, width));
    o = empty(dtype, queryShape);
    // With a bias, gradients need the terms of lse.
    lse =
        work.bias == null
            ? empty(dtype.accumulator(), work.batch, work.heads, sq)
            : empty(dtype.accumulator(), 3, work.batch, work.heads, sq);
    dq = empty(dtype, queryShape);
    dk = empty(dtype, keyShape);
    dv = empty(dtype, keyShape);
    Mask seen = Mask.none();
    if (work.ranges != null) {
      Tensor ranges = empty(DType.INT32, work.batch, sq, work.rangesPerQuery, 2);
      seen = Mask.visible(ranges.copyFrom(queries.cut(work.ranges, 2 * work.rangesPerQuery)));
    }
    if (work.bias != null) {
      long[] biasShape = {work.biasBatch, work.biasHeads, work.biasRows, skv};
      DType biasDtype = work.wideBias ? dtype.accumulator() : dtype;
      seen = seen.withBias(empty(biasDtype, biasShape).copyFrom(keys.cut(work.bias, 1)));
      dBias = empty(biasDtype, biasShape);
    } else {
      dBias = null;
    }
    mask = seen;
    inputs = new AttentionInputs(q, k, v, mask);
    outputs = new AttentionOutputs(o, lse);
    gradients = new GradientOutputs(dq, dk, dv, dBias);
  }

  void forward(Group group) {
    attention.forwardInto(group, inputs, outputs, forward);
  }

  void backward(Group group) {
    attention.backwardInto(group, inputs, outputs, dO, gradients, backward);
  }

  void compute(Group group) {
    forward(group);
    backward(group);
  }

  void report(Results results) {
    int width = work.heads * work.headDim;
    int keyWidth = work.keyHeads * work.headDim;
    queries.paste(o.toDoubles(), results.tensor("o"), width);
    Tensor alone = lse.rank() == 3 ? lse : lse.slice(0, 0, 1);
    queries.paste(alone.toDoubles(), results.tensor("lse"), 1);
    queries.paste(dq.toDoubles(), results.tensor("dq"), width);
    keys.paste(dk.toDoubles(), results.tensor("dk"), keyWidth);
    keys.paste(dv.toDoubles(), results.tensor("dv"), keyWidth);
    if (dBias != null) {
      keys.paste(dBias.toDoubles(), results.tensor("dBias"), 1);
    }
    results.forwardBytes[rank] = forward.bytesSent();
    results.backwardBytes[rank] = backward.bytesSent();
  }

  private Tensor empty(DType type, long... shape) {
    Tensor tensor = Tensor.allocate(device, type, shape);
    made.add(tensor);
    return tensor;
  }

  @Override
  public void close() {
    made.forEach(Tensor::close);
  }
}
