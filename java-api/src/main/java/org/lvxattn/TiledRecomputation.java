// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import java.util.function.ToLongFunction;
import org.lvxattn.bindings.generated.Lvx;

/** Never more than a tile of keys and values is in memory. */
final class TiledRecomputation implements Recomputation {
  private final Group group;
  private final Device device;
  private final Tensor features;
  private final VisualResource structs;
  private final ToLongFunction<KeyValueProjection> tileRows;

  TiledRecomputation(
      Group group,
      Tensor features,
      VisualResource structs,
      ToLongFunction<KeyValueProjection> tileRows) {
    this.group = group;
    this.device = group.device();
    this.features = features;
    this.structs = structs;
    this.tileRows = tileRows;
  }

  @Override
  public Operation forwardOperation() {
    return Operation.VISUAL_FORWARD;
  }

  @Override
  public Operation backwardOperation() {
    return Operation.VISUAL_BACKWARD;
  }

  @Override
  public void forward(VisualForward call) {
    KeyValueProjection projection = call.projection();
    OperationEvent event;
    int status;
    try {
      event = FlightEvents.begin(group);
      status =
          Lvx.lvx_visual_forward(
              group.handle(),
              structs.options(call.attention().scale(), tileRows.applyAsLong(projection)),
              structs.projection(projection, device),
              Arguments.input(call.query(), device, "q"),
              Arguments.input(features, device, "features"),
              Arguments.optionalInput(call.mask().visibility(), device, "visibility"),
              Arguments.optionalInput(call.mask().bias(), device, "bias"),
              Arguments.output(call.output(), device, "o"),
              Arguments.output(call.logSumExpWithTerms(), device, "lse"),
              group.statistics());
    } catch (RuntimeException e) { // native code never throws: the call was not made
      throw group.decline(forwardOperation(), e);
    }
    FlightEvents.end(event, group);
    NativeCalls.check(status);
    call.statistics().read(group.statistics());
    Reachability.keep(this);
    Reachability.keep(call);
  }

  @Override
  public void backward(VisualBackward call, Statistics statistics) {
    VisualForward forward = call.forward();
    KeyValueProjection projection = forward.projection();
    OperationEvent event;
    int status;
    try {
      MemorySegment gradients = structs.gradients(call.gradients(), device);
      event = FlightEvents.begin(group);
      status =
          Lvx.lvx_visual_backward(
              group.handle(),
              structs.options(forward.attention().scale(), tileRows.applyAsLong(projection)),
              structs.projection(projection, device),
              Arguments.input(forward.query(), device, "q"),
              Arguments.input(features, device, "features"),
              Arguments.optionalInput(forward.mask().visibility(), device, "visibility"),
              Arguments.optionalInput(forward.mask().bias(), device, "bias"),
              Arguments.input(call.o(), device, "o"),
              Arguments.input(call.lse(), device, "lse"),
              Arguments.input(call.dO(), device, "dO"),
              Arguments.output(call.dq(), device, "dq"),
              Arguments.optionalOutput(call.dFeatures(), device, "dFeatures"),
              gradients,
              Arguments.optionalOutput(call.dBias(), device, "dBias"),
              group.statistics());
    } catch (RuntimeException e) { // native code never throws: the call was not made
      throw group.decline(backwardOperation(), e);
    }
    FlightEvents.end(event, group);
    NativeCalls.check(status);
    statistics.read(group.statistics());
    Reachability.keep(this);
    Reachability.keep(call);
  }
}
