// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/** Keys and values of the whole shard are in memory while a layer runs, or until backward. */
final class ShardRecomputation implements Recomputation {
  private final Group group;
  private final Tensor features;
  private final ProjectionCalls projections;
  private final boolean keeps;

  ShardRecomputation(Group group, Tensor features, VisualResource structs, boolean keeps) {
    this.group = group;
    this.features = features;
    this.projections = new ProjectionCalls(group.device(), structs);
    this.keeps = keeps;
  }

  @Override
  public Operation forwardOperation() {
    return Operation.FORWARD;
  }

  @Override
  public Operation backwardOperation() {
    return Operation.BACKWARD;
  }

  @Override
  public void forward(VisualForward call) {
    ShardKeys keys;
    try {
      keys = ShardKeys.project(projections, call.projection(), features, keeps);
    } catch (RuntimeException e) {
      throw group.decline(forwardOperation(), e);
    }
    try (keys) {
      call.attention()
          .forwardInto(
              group,
              call.query(),
              keys.key(),
              keys.value(),
              call.mask(),
              call.output(),
              call.logSumExpWithTerms(),
              call.statistics());
      if (keeps) {
        keys.giveTo(call);
      }
    }
  }

  @Override
  public void backward(VisualBackward call, Statistics statistics) {
    ShardKeys keys;
    Tensor dk = null;
    Tensor dv = null;
    try {
      projections.check(call);
      keys = keysOf(call.forward());
    } catch (RuntimeException e) {
      throw group.decline(backwardOperation(), e);
    }
    try (keys) {
      try {
        dk = Tensors.like(keys.key());
        dv = Tensors.like(keys.value());
      } catch (RuntimeException e) {
        throw group.decline(backwardOperation(), e);
      }
      VisualForward forward = call.forward();
      forward
          .attention()
          .backwardInto(
              group,
              forward.query(),
              keys.key(),
              keys.value(),
              forward.mask(),
              call.o(),
              call.lse(),
              call.dO(),
              call.dq(),
              dk,
              dv,
              call.dBias(),
              statistics);
      projections.backward(call, features, keys.raw(), dk, dv);
    } finally {
      Tensors.closeAll(dk, dv);
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
