// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.collective.CallSizes;
import org.lvxattn.internal.collective.Collective;
import org.lvxattn.internal.collective.NativeCall;

/**
 * A call of one rank: its preparation, which checks the arguments and chooses the strategy, and the
 * native call. A communicator reuses its two for all calls, because lambdas would be garbage of
 * every call. Arguments may be null until they are checked.
 */
abstract class ReusableCall implements Supplier<Strategy>, NativeCall {
  private final int operation;
  private @Nullable Communicator group;
  private @Nullable CrossAttention attention;
  private @Nullable AttentionInputs inputs;
  private @Nullable AttentionOutputs outputs;
  private @Nullable Statistics statistics;
  private Strategy strategy = Strategy.AUTO;

  private ReusableCall(int operation) {
    this.operation = operation;
  }

  final void run(
      Communicator callers,
      CrossAttention caller,
      AttentionInputs callInputs,
      AttentionOutputs callOutputs,
      Statistics callStatistics) {
    group = callers;
    attention = caller;
    inputs = callInputs;
    outputs = callOutputs;
    statistics = callStatistics;
    try {
      Collective collective = callers.collective();
      strategy = collective.prepare(operation, this);
      collective.call(operation, this);
      callStatistics.read(collective.statistics());
    } finally {
      group = null;
      attention = null;
      inputs = null;
      outputs = null;
      statistics = null;
    }
  }

  /** The preparation. */
  @Override
  public final Strategy get() {
    CrossAttention caller = attention();
    AttentionInputs checked = inputs();
    caller.requireInputs(checked);
    outputs();
    Preconditions.present(statistics, "statistics");
    return choose(caller, checked);
  }

  @Override
  public final int invoke() {
    Collective collective = group().collective();
    MemorySegment options = collective.options(attention().scale(), strategy.code());
    return invoke(collective, options, inputs(), outputs());
  }

  @Override
  public final CallSizes sizes() {
    CrossAttention caller = attention();
    AttentionInputs in = inputs();
    return new CallSizes(
        in.q().dtype().name(),
        in.q().dimension(0),
        in.q().dimension(1),
        in.k().dimension(1),
        caller.heads(),
        caller.keyValueHeads(),
        caller.headDim());
  }

  abstract Strategy choose(CrossAttention caller, AttentionInputs checked);

  abstract int invoke(
      Collective collective, MemorySegment options, AttentionInputs in, AttentionOutputs out);

  final Strategy choose(
      Pass pass, CrossAttention caller, AttentionInputs checked, @Nullable Tensor dBias) {
    return caller.strategy() == Strategy.AUTO
        ? group().chooseStrategy(pass, caller, checked, dBias)
        : caller.strategy();
  }

  final MemorySegment input(@Nullable Tensor tensor, String name) {
    return Internals.input(tensor, group().device(), name);
  }

  final MemorySegment optionalInput(@Nullable Tensor tensor, String name) {
    return Internals.optionalInput(tensor, group().device(), name);
  }

  final MemorySegment output(@Nullable Tensor tensor, String name) {
    return Internals.output(tensor, group().device(), name);
  }

  final MemorySegment optionalOutput(@Nullable Tensor tensor, String name) {
    return Internals.optionalOutput(tensor, group().device(), name);
  }

  private Communicator group() {
    return Preconditions.present(group, "group");
  }

  private CrossAttention attention() {
    return Preconditions.present(attention, "attention");
  }

  private AttentionInputs inputs() {
    return Preconditions.present(inputs, "inputs");
  }

  private AttentionOutputs outputs() {
    return Preconditions.present(outputs, "outputs");
  }

  /** A call of {@link CrossAttention#forwardInto}. */
  static final class Forward extends ReusableCall {
    Forward() {
      super(Lvx.LVX_OPERATION_FORWARD());
    }

    @Override
    Strategy choose(CrossAttention caller, AttentionInputs checked) {
      return choose(Pass.FORWARD, caller, checked, null);
    }

    @Override
    int invoke(
        Collective collective, MemorySegment options, AttentionInputs in, AttentionOutputs out) {
      return Lvx.lvx_attention_forward(
          collective.handle(),
          options,
          input(in.q(), "q"),
          input(in.k(), "k"),
          input(in.v(), "v"),
          optionalInput(in.mask().visibility(), "visibility"),
          optionalInput(in.mask().bias(), "bias"),
          output(out.o(), "o"),
          output(out.lse(), "lse"),
          collective.statistics());
    }
  }

  /** A call of {@link CrossAttention#backwardInto}. */
  static final class Backward extends ReusableCall {
    private @Nullable Tensor dO;
    private @Nullable GradientOutputs gradients;

    Backward() {
      super(Lvx.LVX_OPERATION_BACKWARD());
    }

    void run(
        Communicator callers,
        CrossAttention caller,
        AttentionInputs callInputs,
        AttentionOutputs callOutputs,
        Tensor outputGradient,
        GradientOutputs callGradients,
        Statistics callStatistics) {
      dO = outputGradient;
      gradients = callGradients;
      try {
        run(callers, caller, callInputs, callOutputs, callStatistics);
      } finally {
        dO = null;
        gradients = null;
      }
    }

    @Override
    Strategy choose(CrossAttention caller, AttentionInputs checked) {
      return choose(Pass.BACKWARD, caller, checked, gradients().dBias());
    }

    @Override
    int invoke(
        Collective collective, MemorySegment options, AttentionInputs in, AttentionOutputs out) {
      GradientOutputs to = gradients();
      return Lvx.lvx_attention_backward(
          collective.handle(),
          options,
          input(in.q(), "q"),
          input(in.k(), "k"),
          input(in.v(), "v"),
          optionalInput(in.mask().visibility(), "visibility"),
          optionalInput(in.mask().bias(), "bias"),
          input(out.o(), "o"),
          input(out.lse(), "lse"),
          input(dO, "dO"),
          output(to.dq(), "dq"),
          output(to.dk(), "dk"),
          output(to.dv(), "dv"),
          optionalOutput(to.dBias(), "dBias"),
          collective.statistics());
    }

    private GradientOutputs gradients() {
      return Preconditions.present(gradients, "gradients");
    }
  }
}
