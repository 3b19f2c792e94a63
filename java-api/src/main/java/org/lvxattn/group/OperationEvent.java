// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

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
  void finish(NativeGroup group, FlightRecord newest) {
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
    commit();
  }
}
