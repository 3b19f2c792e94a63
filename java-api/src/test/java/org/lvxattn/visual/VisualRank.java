// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.layer.KeyValueGradients;
import org.lvxattn.layer.KeyValueLayout;
import org.lvxattn.layer.KeyValueProjection;
import org.lvxattn.layer.Norm;

/** One rank's tensors of a visual problem. */
public final class VisualRank implements AutoCloseable {
  public final CrossAttention attention;
  public final KeyValueProjection projection;
  public final Tensor q;
  public final Tensor dO;
  public final Tensor dq;
  public final Mask mask;
  public final @Nullable Tensor dBias;

  private final VisualProblem p;
  private final Device device;
  private final DType dtype;
  private final int q0;
  private final int q1;
  private final int k0;
  private final int k1;
  private final List<Tensor> made = new ArrayList<>();

  public VisualRank(VisualProblem problem, Group group, DType dtype, Strategy strategy) {
    this.p = problem;
    this.device = group.device();
    this.dtype = dtype;
    q0 = p.queryBegin[group.rank()];
    q1 = p.queryBegin[group.rank() + 1];
    k0 = p.keyBegin[group.rank()];
    k1 = p.keyBegin[group.rank() + 1];
    attention =
        CrossAttention.builder()
            .heads(p.heads)
            .keyValueHeads(p.keyHeads)
            .headDim(p.headDim)
            .strategy(strategy)
            .build();
    try {
      projection = describe();
      q = tensor(p.q.part(q0, q1), p.batch, q1 - q0, p.heads, p.headDim);
      dO = tensor(p.dO.part(q0, q1), p.batch, q1 - q0, p.heads, p.headDim);
      dq = add(Tensor.allocate(device, dtype, q.shape()));
      Mask seen = Mask.none();
      if (p.visible != null) {
        int[] ranges = VisualProblem.part(p.visible, p.batch, p.queries, 2 * p.ranges, q0, q1);
        seen = Mask.visible(integers(ranges, p.batch, q1 - q0, p.ranges, 2));
      }
      if (p.bias != null) {
        long[] shape = {1, p.biasPerHead ? p.heads : 1, p.biasPerQuery ? p.queries : 1, k1 - k0};
        seen = seen.withBias(tensor(p.bias.part(k0, k1), shape));
        dBias = add(Tensor.allocate(device, dtype, shape));
      } else {
        dBias = null;
      }
      mask = seen;
    } catch (RuntimeException | Error e) {
      close(); // a test may leave too little memory
      throw e;
    }
  }

  private KeyValueProjection describe() {
    int keyWidth = p.keyHeads * p.headDim;
    Tensor weight = tensor(p.weight, 2L * keyWidth, p.width);
    Tensor bias = p.projectionBias == null ? null : tensor(p.projectionBias, 2L * keyWidth);
    KeyValueProjection.Builder builder =
        KeyValueProjection.builder()
            .keyValueHeads(p.keyHeads)
            .headDim(p.headDim)
            .layout(p.layout)
            .weight(weight)
            .bias(bias);
    if (p.layout == KeyValueLayout.SEPARATE) {
      builder
          .weight(weight.slice(0, 0, keyWidth))
          .valueWeight(weight.slice(0, keyWidth, 2L * keyWidth));
      if (bias != null) {
        builder.bias(bias.slice(0, 0, keyWidth)).valueBias(bias.slice(0, keyWidth, 2L * keyWidth));
      }
    }
    if (p.inputNorm != Norm.NONE) {
      Tensor inputBias = p.inputNorm == Norm.LAYER ? tensor(p.inputBias, p.width) : null;
      builder.inputNorm(p.inputNorm, p.epsilon, tensor(p.inputWeight, p.width), inputBias);
    }
    if (p.keyNorm) {
      builder.keyNorm(p.epsilon, tensor(p.keyWeight, p.headDim));
    }
    if (p.rotary) {
      int[] positions = VisualProblem.part(p.positions, p.batch, p.keys, 1, k0, k1);
      builder.rotary(p.theta, integers(positions, p.batch, k1 - k0));
    }
    return builder.build();
  }

  /** This rank's features, of which a checkpoint takes ownership. */
  public Tensor features() {
    return Tensor.allocate(device, dtype, p.batch, k1 - k0, p.width)
        .copyFrom(p.features.part(k0, k1));
  }

  public Tensor tensor(double[] values, long... shape) {
    return add(Tensor.allocate(device, dtype, shape)).copyFrom(values);
  }

  private Tensor integers(int[] values, long... shape) {
    return add(Tensor.allocate(device, DType.INT32, shape)).copyFrom(values);
  }

  private Tensor add(Tensor tensor) {
    made.add(tensor);
    return tensor;
  }

  /** Copies this rank's results into the whole; only one rank at a time. */
  void put(
      VisualResults whole,
      VisualForward forward,
      VisualCheckpoint checkpoint,
      KeyValueGradients gradients) {
    synchronized (whole) {
      whole.o.put(q0, q1, forward.output().toDoubles());
      whole.lse.put(q0, q1, forward.logSumExp().toDoubles());
      whole.dq.put(q0, q1, dq.toDoubles());
      whole.dFeatures.put(k0, k1, checkpoint.featuresGradient().toDoubles());
      if (dBias != null) {
        whole.dBias.put(k0, k1, dBias.toDoubles());
      }
      int keyWidth = p.keyHeads * p.headDim;
      addTo(whole, "weight", 0, gradients.weight());
      addTo(whole, "weight", keyWidth * p.width, gradients.valueWeight());
      addTo(whole, "bias", 0, gradients.bias());
      addTo(whole, "bias", keyWidth, gradients.valueBias());
      addTo(whole, "inputWeight", 0, gradients.inputWeight());
      addTo(whole, "inputBias", 0, gradients.inputBias());
      addTo(whole, "keyWeight", 0, gradients.keyWeight());
    }
  }

  private static void addTo(VisualResults whole, String name, int first, @Nullable Tensor part) {
    if (part != null) {
      whole.add(name, first, part.toDoubles());
    }
  }

  @Override
  public void close() {
    made.forEach(Tensor::close);
  }
}
