// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.Statistics;
import org.lvxattn.internal.collective.CallSizes;
import org.lvxattn.internal.handle.Handles;

/** An entry of a group's flight recorder as an event of JDK Flight Recorder. */
@Name("org.lvxattn.Operation")
@Label("Operation of a Group")
@Category("lvxattn")
@Description("A call that all ranks of a group make together, on one rank")
@StackTrace(false)
final class OperationEvent extends Event {
  /** Tells whether such events are recorded. */
  private static final OperationEvent ANY = new OperationEvent();

  @Label("Rank")
  int rank;

  @Label("Ranks")
  int ranks;

  @Label("Sequence")
  @Description("Sequence number of the operation, the same on all ranks")
  long sequence;

  @Label("Operation")
  String operation = "";

  @Label("Status")
  String status = "";

  @Label("Peer")
  @Description("The rank at fault, or -1")
  int peer = -1;

  @Label("Sent")
  @DataAmount
  long bytesSent;

  @Label("Received")
  @DataAmount
  long bytesReceived;

  @Label("Device")
  String device = "";

  @Label("Dtype")
  @Description("Of q; empty if this is not attention, or it failed. So are the fields below")
  String dtype = "";

  @Label("Strategy")
  String strategy = "";

  @Label("Batch")
  long batch;

  @Label("Queries")
  @Description("Of this rank")
  long queries;

  @Label("Keys")
  @Description("Of this rank")
  long keys;

  @Label("Heads")
  int heads;

  @Label("Key and Value Heads")
  int keyValueHeads;

  @Label("Head Dimension")
  int headDim;

  @Label("Compute")
  @Description("The time in which this rank computed; on a GPU, in which it enqueued work")
  @Timespan(Timespan.NANOSECONDS)
  long compute;

  @Label("Wait")
  @Description("The time in which this rank waited for transfers, not hidden behind compute")
  @Timespan(Timespan.NANOSECONDS)
  long exposedWait;

  /** Sequence number of the previous operation. */
  private transient long before;

  private OperationEvent() {}

  static boolean recorded() {
    return ANY.isEnabled();
  }

  static OperationEvent begun(long before) {
    OperationEvent event = new OperationEvent();
    event.before = before;
    event.begin();
    return event;
  }

  /** Records the group's latest operation, unless it is still the previous one. */
  void finish(NativeGroup group, FlightRecord newest, @Nullable CallSizes sizes) {
    end();
    if (newest.sequence() == before) {
      return;
    }
    rank = group.rank();
    ranks = group.size();
    sequence = newest.sequence();
    operation = newest.operation();
    status = newest.status().name();
    peer = newest.peer();
    bytesSent = newest.bytesSent();
    bytesReceived = newest.bytesReceived();
    Device own = group.device();
    device = own.kind() == Device.Kind.CPU ? "cpu" : "cuda:" + own.ordinal();
    if (sizes != null) {
      describe(sizes, group);
    }
    commit();
  }

  private void describe(CallSizes sizes, NativeGroup group) {
    dtype = sizes.dtype();
    batch = sizes.batch();
    queries = sizes.queries();
    keys = sizes.keys();
    heads = sizes.heads();
    keyValueHeads = sizes.keyValueHeads();
    headDim = sizes.headDim();
    Statistics statistics = Statistics.create();
    Handles.read(statistics, group.statistics());
    strategy = statistics.strategy().name();
    compute = nanoseconds(statistics.computeSeconds());
    exposedWait = nanoseconds(statistics.exposedWaitSeconds());
  }

  private static long nanoseconds(double seconds) {
    return Math.round(1e9 * seconds);
  }
}
