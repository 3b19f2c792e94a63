// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.lvxattn.group.Group;
import org.lvxattn.testing.Seeds;

/** The tensors of one small attention call, forward and backward, on one device. */
public final class Problem implements AutoCloseable {
  public static final int HEADS = 4;
  public static final int KEY_HEADS = 2;
  public static final int HEAD_DIM = 8;

  public final CrossAttention attention =
      CrossAttention.builder().heads(HEADS).keyValueHeads(KEY_HEADS).headDim(HEAD_DIM).build();
  public final Tensor q;
  public final Tensor k;
  public final Tensor v;
  public final Tensor visibility;
  public final Tensor bias;
  public final Tensor o;
  public final Tensor lse;
  public final Tensor dO;
  public final Tensor dq;
  public final Tensor dk;
  public final Tensor dv;
  public final Tensor dBias;
  public final Mask mask;
  public final AttentionInputs inputs;
  public final AttentionOutputs outputs;
  public final GradientOutputs gradients;
  public final Statistics statistics = Statistics.create();

  private final Device device;
  private final Random random;
  private final List<Tensor> made = new ArrayList<>();

  /**
   * @param queries number of queries and of keys of this rank
   * @param allQueries of the group
   * @param allKeys of the group: every query sees the first three quarters
   */
  public Problem(
      Device device, DType dtype, int queries, int keys, int allQueries, int allKeys, long seed) {
    this.device = device;
    this.random = Seeds.random(seed);
    int batch = 2;
    DType accumulator = dtype.accumulator();
    q = filled(dtype, batch, queries, HEADS, HEAD_DIM);
    k = filled(dtype, batch, keys, KEY_HEADS, HEAD_DIM);
    v = filled(dtype, batch, keys, KEY_HEADS, HEAD_DIM);
    visibility = add(Tensor.allocate(device, DType.INT32, batch, queries, 1, 2));
    int[] ranges = new int[batch * queries * 2];
    for (int i = 1; i < ranges.length; i += 2) {
      ranges[i] = allKeys * 3 / 4;
    }
    visibility.copyFrom(ranges);
    bias = filled(dtype, 1, HEADS, allQueries, keys);
    o = add(Tensor.allocate(device, dtype, q.shape()));
    lse = add(Tensor.allocate(device, accumulator, batch, HEADS, queries));
    dO = filled(dtype, q.shape());
    dq = add(Tensor.allocate(device, dtype, q.shape()));
    dk = add(Tensor.allocate(device, dtype, k.shape()));
    dv = add(Tensor.allocate(device, dtype, v.shape()));
    dBias = add(Tensor.allocate(device, dtype, bias.shape()));
    mask = Mask.visible(visibility).withBias(bias);
    inputs = new AttentionInputs(q, k, v, mask);
    outputs = new AttentionOutputs(o, lse);
    gradients = new GradientOutputs(dq, dk, dv, dBias);
  }

  /** A problem for a group of one rank. */
  public static Problem alone(Device device, DType dtype) {
    return new Problem(device, dtype, 3, 5, 3, 5, 1);
  }

  public void forward(Group group) {
    attention.forwardInto(group, inputs, outputs, statistics);
  }

  public void backward(Group group) {
    attention.backwardInto(group, inputs, outputs, dO, gradients, statistics);
  }

  private Tensor filled(DType dtype, long... shape) {
    Tensor tensor = add(Tensor.allocate(device, dtype, shape));
    return tensor.copyFrom(random.doubles(tensor.elements()).map(value -> 2 * value - 1).toArray());
  }

  private Tensor add(Tensor tensor) {
    made.add(tensor);
    return tensor;
  }

  @Override
  public void close() {
    made.forEach(Tensor::close);
  }
}
