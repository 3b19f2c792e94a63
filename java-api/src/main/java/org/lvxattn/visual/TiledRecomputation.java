// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.visual;

import java.util.function.ToLongFunction;
import org.lvxattn.CrossAttention;
import org.lvxattn.Device;
import org.lvxattn.Statistics;
import org.lvxattn.Tensor;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.group.Group;
import org.lvxattn.internal.collective.CallSizes;
import org.lvxattn.internal.collective.Collective;
import org.lvxattn.internal.collective.NativeCall;
import org.lvxattn.internal.handle.Handles;
import org.lvxattn.internal.memory.Reachability;
import org.lvxattn.layer.KeyValueProjection;

/** Holds at most one tile of keys and values in memory. */
final class TiledRecomputation implements Recomputation {
  private final Collective collective;
  private final Device device;
  private final Tensor features;
  private final VisualResource structs;
  private final ToLongFunction<KeyValueProjection> tileRows;

  TiledRecomputation(
      Group group,
      Tensor features,
      VisualResource structs,
      ToLongFunction<KeyValueProjection> tileRows) {
    this.collective = Handles.collective(group);
    this.device = group.device();
    this.features = features;
    this.structs = structs;
    this.tileRows = tileRows;
  }

  @Override
  public int forwardOperation() {
    return Lvx.LVX_OPERATION_VISUAL_FORWARD();
  }

  @Override
  public int backwardOperation() {
    return Lvx.LVX_OPERATION_VISUAL_BACKWARD();
  }

  @Override
  public void forward(VisualForward call) {
    KeyValueProjection projection = call.projection();
    collective.call(
        forwardOperation(),
        NativeCall.ofAttention(
            () ->
                Lvx.lvx_visual_forward(
                    collective.handle(),
                    structs.options(call.attention().scale(), tileRows.applyAsLong(projection)),
                    structs.projection(projection, device),
                    Handles.input(call.query(), device, "q"),
                    Handles.input(features, device, "features"),
                    Handles.optionalInput(call.mask().visibility(), device, "visibility"),
                    Handles.optionalInput(call.mask().bias(), device, "bias"),
                    Handles.output(call.output(), device, "o"),
                    Handles.output(call.logSumExpWithTerms(), device, "lse"),
                    collective.statistics()),
            () -> sizes(call)));
    Handles.read(call.statistics(), collective.statistics());
    Reachability.keep(this, call);
  }

  @Override
  public void backward(VisualBackward call, Statistics statistics) {
    VisualForward forward = call.forward();
    KeyValueProjection projection = forward.projection();
    collective.call(
        backwardOperation(),
        NativeCall.ofAttention(
            () ->
                Lvx.lvx_visual_backward(
                    collective.handle(),
                    structs.options(forward.attention().scale(), tileRows.applyAsLong(projection)),
                    structs.projection(projection, device),
                    Handles.input(forward.query(), device, "q"),
                    Handles.input(features, device, "features"),
                    Handles.optionalInput(forward.mask().visibility(), device, "visibility"),
                    Handles.optionalInput(forward.mask().bias(), device, "bias"),
                    Handles.input(call.o(), device, "o"),
                    Handles.input(call.lse(), device, "lse"),
                    Handles.input(call.dO(), device, "dO"),
                    Handles.output(call.dq(), device, "dq"),
                    Handles.optionalOutput(call.dFeatures(), device, "dFeatures"),
                    structs.gradients(call.gradients(), device),
                    Handles.optionalOutput(call.dBias(), device, "dBias"),
                    collective.statistics()),
            () -> sizes(forward)));
    Handles.read(statistics, collective.statistics());
    Reachability.keep(this, call);
  }

  private CallSizes sizes(VisualForward call) {
    CrossAttention attention = call.attention();
    return new CallSizes(
        call.query().dtype().name(),
        call.query().dimension(0),
        call.query().dimension(1),
        features.dimension(1),
        attention.heads(),
        attention.keyValueHeads(),
        attention.headDim());
  }
}
