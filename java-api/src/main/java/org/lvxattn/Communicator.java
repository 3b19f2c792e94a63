// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.collective.Collective;

/**
 * The ranks that a call of attention spans, as one of them sees them. Its one kind is {@link
 * org.lvxattn.group.Group}.
 */
public abstract class Communicator {
  private final Device device;
  private final Collective collective;
  private final int rank;
  private final int size;

  /**
   * For this library alone, which does not export the type of the native side.
   *
   * @param device what this rank computes with
   * @param collective what calls are made by
   * @param rank this rank's number
   * @param size number of ranks
   */
  @SuppressWarnings("exports")
  protected Communicator(Device device, Collective collective, int rank, int size) {
    this.device = Preconditions.present(device, "device");
    this.collective = Preconditions.present(collective, "collective");
    this.rank = rank;
    this.size = size;
  }

  /** This rank's number, from 0. */
  public final int rank() {
    return rank;
  }

  /** Number of ranks. */
  public final int size() {
    return size;
  }

  /** What this rank computes with. */
  public final Device device() {
    return device;
  }

  /**
   * What {@link Strategy#AUTO} stands for in a call that all ranks make; the same on all of them.
   *
   * @param pass which pass the call is; never {@link Pass#BOTH}
   * @param attention the attention that is called
   * @param inputs this rank's part in the call
   * @param dBias the gradient of the bias that is wanted, or null
   */
  protected abstract Strategy chooseStrategy(
      Pass pass, CrossAttention attention, AttentionInputs inputs, @Nullable Tensor dBias);

  Collective collective() {
    return collective;
  }
}
