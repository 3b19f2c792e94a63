// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.collective.Collective;

/**
 * The ranks over which attention is computed, as seen from one of them. {@link
 * org.lvxattn.group.Group} is its only subclass.
 */
public abstract class Communicator {
  private final Device device;
  private final Collective collective;
  private final int rank;
  private final int size;
  private final ReusableCall.Forward forwardCall = new ReusableCall.Forward();
  private final ReusableCall.Backward backwardCall = new ReusableCall.Backward();

  /**
   * For use inside this library only: it does not export the type of {@code collective}.
   *
   * @param device this rank's device
   * @param collective makes this rank's native calls
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

  /** This rank's device. */
  public final Device device() {
    return device;
  }

  /**
   * Chooses the strategy that {@link Strategy#AUTO} stands for in a collective call. The choice is
   * the same on all ranks.
   *
   * @param pass the pass of the call; never {@link Pass#BOTH}
   * @param attention the attention that is called
   * @param inputs this rank's inputs of the call
   * @param dBias output for the gradient of the bias, or null if it is not wanted
   */
  protected abstract Strategy chooseStrategy(
      Pass pass, CrossAttention attention, AttentionInputs inputs, @Nullable Tensor dBias);

  ReusableCall.Forward forwardCall() {
    return forwardCall.isIdle() ? forwardCall : new ReusableCall.Forward();
  }

  ReusableCall.Backward backwardCall() {
    return backwardCall.isIdle() ? backwardCall : new ReusableCall.Backward();
  }

  Collective collective() {
    return collective;
  }
}
