// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import org.lvxattn.bindings.generated.Lvx;

/** The collective calls of a group. */
public enum Operation {
  /** {@link Group#barrier}. */
  BARRIER(Lvx.LVX_OPERATION_BARRIER()),
  /** {@link Group#allGather}. */
  ALL_GATHER(Lvx.LVX_OPERATION_ALL_GATHER()),
  /** {@link Group#allReduce}. */
  ALL_REDUCE(Lvx.LVX_OPERATION_ALL_REDUCE()),
  /** {@link org.lvxattn.CrossAttention#forward}. */
  FORWARD(Lvx.LVX_OPERATION_FORWARD()),
  /** {@link org.lvxattn.CrossAttention#backward}. */
  BACKWARD(Lvx.LVX_OPERATION_BACKWARD()),
  /** {@link org.lvxattn.visual.VisualCheckpoint#forward} by tiles. */
  VISUAL_FORWARD(Lvx.LVX_OPERATION_VISUAL_FORWARD()),
  /** {@link org.lvxattn.visual.VisualCheckpoint#backward} by tiles. */
  VISUAL_BACKWARD(Lvx.LVX_OPERATION_VISUAL_BACKWARD());

  private final int code;

  Operation(int code) {
    this.code = code;
  }

  /** The number of the native {@code lvx_operation}. */
  int code() {
    return code;
  }
}
