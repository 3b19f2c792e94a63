// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** The tensors of one small attention call, forward and backward, on one device. */
final class Problem implements AutoCloseable {
  static final int HEADS = 4;
  static final int KEY_HEADS = 2;
  static final int HEAD_DIM = 8;

  final CrossAttention attention =
      CrossAttention.builder().heads(HEADS).keyValueHeads(KEY_HEADS).headDim(HEAD_DIM).build();
  final Tensor q;
  final Tensor k;
  final Tensor v;
  final Tensor visibility;
  final Tensor bias;
  final Tensor o;
  final Tensor lse;
  final Tensor dO;
  final Tensor dq;
  final Tensor dk;
  final Tensor dv;
  final Tensor dBias;
  final Mask mask;
  final Statistics statistics = Statistics.create();

  private final Device device;
  private final Random random;
  private final List<Tensor> made = new ArrayList<>();

  /**
   * @param queries and keys of this rank
   * @param allQueries of the group
   * @param allKeys of the group: every query sees the first three quarters
   */
  Problem(
      Device device, DType dtype, int queries, int keys, int allQueries, int allKeys, long seed) {
    this.device = device;
    this.random = new Random(seed);
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
  }

  /** A problem that one rank has for itself. */
  static Problem alone(Device device, DType dtype) {
    return new Problem(device, dtype, 3, 5, 3, 5, 1);
  }

  void forward(Group group) {
    attention.forwardInto(group, q, k, v, mask, o, lse, statistics);
  }

  void backward(Group group) {
    attention.backwardInto(group, q, k, v, mask, o, lse, dO, dq, dk, dv, dBias, statistics);
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
