// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.GradientOutputs;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.group.Group;
import org.lvxattn.internal.collective.Collective;
import org.lvxattn.internal.handle.Handles;

/**
 * Holds keys and values of the whole shard in memory, either while a layer runs or until backward.
 */
final class ShardRecomputation implements Recomputation {
  private final Group group;
  private final Collective collective;
  private final Tensor features;
  private final ProjectionCalls projections;
  private final boolean keeps;

  ShardRecomputation(Group group, Tensor features, VisualResource structs, boolean keeps) {
    this.group = group;
    this.collective = Handles.collective(group);
    this.features = features;
    this.projections = new ProjectionCalls(group.device(), structs);
    this.keeps = keeps;
  }

  @Override
  public int forwardOperation() {
    return Lvx.LVX_OPERATION_FORWARD();
  }

  @Override
  public int backwardOperation() {
    return Lvx.LVX_OPERATION_BACKWARD();
  }

  @Override
  public void forward(VisualForward call) {
    try (ShardKeys keys =
        collective.prepare(
            forwardOperation(),
            () -> ShardKeys.project(projections, call.projection(), features, keeps))) {
      call.attention()
          .forwardInto(
              group,
              new AttentionInputs(call.query(), keys.key(), keys.value(), call.mask()),
              new AttentionOutputs(call.output(), call.logSumExpWithTerms()),
              call.statistics());
      if (keeps) {
        keys.giveTo(call);
      }
    }
  }

  @Override
  public void backward(VisualBackward call, Statistics statistics) {
    try (ShardKeys keys =
            collective.prepare(
                backwardOperation(),
                () -> {
                  projections.check(call);
                  return keysOf(call.forward());
                });
        Tensor dk = collective.prepare(backwardOperation(), () -> Tensor.allocateLike(keys.key()));
        Tensor dv =
            collective.prepare(backwardOperation(), () -> Tensor.allocateLike(keys.value()))) {
      VisualForward forward = call.forward();
      forward
          .attention()
          .backwardInto(
              group,
              new AttentionInputs(forward.query(), keys.key(), keys.value(), forward.mask()),
              new AttentionOutputs(call.o(), call.lse()),
              call.dO(),
              new GradientOutputs(call.dq(), dk, dv, call.dBias()),
              statistics);
      projections.backward(call, features, keys.raw(), dk, dv);
    }
  }

  private ShardKeys keysOf(VisualForward forward) {
    Tensor raw = forward.rawKey();
    Tensor value = forward.value();
    return raw != null && value != null
        ? ShardKeys.kept(projections, forward.projection(), raw, value)
        : ShardKeys.project(projections, forward.projection(), features, true);
  }
}
