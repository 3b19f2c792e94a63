// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Mask;
import org.lvxattn.ReferenceAttention;
import org.lvxattn.Statistics;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.errors.RelativeError;
import org.lvxattn.group.Group;

/**
 * A float64 attention problem that every process generates from the same seed. Each process
 * computes its shards with the others and compares them with the oracle's result.
 */
final class WholeProblem implements AutoCloseable {
  private static final int HEADS = 12;
  private static final int HEAD_DIM = 16;
  private static final double SCALE = 0.25;

  private final Device device;
  private final int queries;
  private final int keys;
  private final List<Tensor> open = new ArrayList<>();
  private final Random random = new Random(7);
  private final Tensor q;
  private final Tensor k;
  private final Tensor v;
  private final Tensor dO;
  private final Tensor o;
  private final Tensor lse;
  private final Tensor dq;
  private final Tensor dk;
  private final Tensor dv;

  WholeProblem(Device device, int queries, int keys) {
    this.device = device;
    this.queries = queries;
    this.keys = keys;
    q = filled(queries);
    k = filled(keys);
    v = filled(keys);
    dO = filled(queries);
    o = tensor(queries);
    lse = keep(Tensor.allocate(device, DType.FLOAT64, 1, HEADS, queries));
    dq = tensor(queries);
    dk = tensor(keys);
    dv = tensor(keys);
    ReferenceAttention.forward(SCALE, q, k, v, Mask.none(), o, lse);
    ReferenceAttention.backward(SCALE, q, k, v, Mask.none(), o, lse, dO, dq, dk, dv, null);
  }

  /** Forward and backward over the group; the largest error of any tensor of this rank. */
  double errorOf(Group group, Strategy strategy) {
    CrossAttention attention =
        CrossAttention.builder()
            .heads(HEADS)
            .keyValueHeads(HEADS)
            .headDim(HEAD_DIM)
            .scale(SCALE)
            .strategy(strategy)
            .build();
    long[] mine = {begin(queries, group), end(queries, group)};
    long[] ours = {begin(keys, group), end(keys, group)};
    int rows = (int) (mine[1] - mine[0]);
    int columns = (int) (ours[1] - ours[0]);
    Map<Tensor, Tensor> results = new LinkedHashMap<>();
    int before = open.size();
    Tensor localO = expect(results, tensor(rows), o.slice(1, mine[0], mine[1]));
    Tensor localLse =
        expect(
            results,
            keep(Tensor.allocate(device, DType.FLOAT64, 1, HEADS, rows)),
            lse.slice(2, mine[0], mine[1]));
    Tensor localDq = expect(results, tensor(rows), dq.slice(1, mine[0], mine[1]));
    Tensor localDk = expect(results, tensor(columns), dk.slice(1, ours[0], ours[1]));
    Tensor localDv = expect(results, tensor(columns), dv.slice(1, ours[0], ours[1]));
    Tensor localQ = q.slice(1, mine[0], mine[1]);
    Tensor localK = k.slice(1, ours[0], ours[1]);
    Tensor localV = v.slice(1, ours[0], ours[1]);
    Statistics statistics = Statistics.create();
    attention.forwardInto(
        group,
        new AttentionInputs(localQ, localK, localV, Mask.none()),
        new AttentionOutputs(localO, localLse),
        statistics);
    attention.backwardInto(
        group,
        new AttentionInputs(localQ, localK, localV, Mask.none()),
        new AttentionOutputs(localO, localLse),
        dO.slice(1, mine[0], mine[1]),
        new GradientOutputs(localDq, localDk, localDv, null),
        statistics);
    double worst = 0;
    for (Map.Entry<Tensor, Tensor> result : results.entrySet()) {
      worst = Math.max(worst, error(result.getKey(), result.getValue()));
    }
    while (open.size() > before) {
      open.removeLast().close();
    }
    return worst;
  }

  /** Deliberately uneven: the first ranks get more. */
  private static long begin(int total, Group group) {
    return border(total, group.rank(), group.size());
  }

  private static long end(int total, Group group) {
    return border(total, group.rank() + 1, group.size());
  }

  private static long border(int total, int rank, int size) {
    double share = (double) rank / size;
    return Math.round(total * Math.sqrt(share));
  }

  private static double error(Tensor ours, Tensor reference) {
    return RelativeError.of(ours.toDoubles(), reference.toDoubles());
  }

  private static Tensor expect(Map<Tensor, Tensor> results, Tensor result, Tensor reference) {
    results.put(result, reference);
    return result;
  }

  private Tensor filled(int rows) {
    Tensor tensor = tensor(rows);
    return tensor.copyFrom(random.doubles(tensor.elements(), -1, 1).toArray());
  }

  private Tensor tensor(int rows) {
    return keep(Tensor.allocate(device, DType.FLOAT64, 1, rows, HEADS, HEAD_DIM));
  }

  private Tensor keep(Tensor tensor) {
    open.add(tensor);
    return tensor;
  }

  @Override
  public void close() {
    open.reversed().forEach(Tensor::close);
  }
}
