// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import org.lvxattn.internal.Preconditions;
import org.lvxattn.plan.Link;

/**
 * Links of other machines, for a {@link LocalWorld} to emulate: its ranks' messages take as long as
 * they would take there. The groups of processes have real links and none of this.
 *
 * <p>Immutable; starts from {@link #builder}.
 */
public final class LinkEmulation {
  private static final LinkEmulation NONE = builder().build();

  private final Link intra;
  private final Link inter;
  private final boolean sharedInter;
  private final boolean virtualTime;

  private LinkEmulation(Builder builder) {
    this.intra = builder.intra;
    this.inter = builder.inter;
    this.sharedInter = builder.sharedInter;
    this.virtualTime = builder.virtualTime;
  }

  /** Messages as fast as memory, in real time. */
  public static LinkEmulation none() {
    return NONE;
  }

  /** Starts with {@link #none}. */
  public static Builder builder() {
    return new Builder();
  }

  /** Starts with these settings. */
  public Builder toBuilder() {
    return new Builder()
        .intra(intra)
        .inter(inter)
        .sharedInter(sharedInter)
        .virtualTime(virtualTime);
  }

  /** The link between ranks of a node; {@link Link#INSTANT} for none. */
  public Link intra() {
    return intra;
  }

  /** The link between ranks of different nodes; {@link Link#INSTANT} for none. */
  public Link inter() {
    return inter;
  }

  /** Whether the ranks of a node share one link to the other nodes. */
  public boolean isSharedInter() {
    return sharedInter;
  }

  /** Whether the ranks' clocks count processor time; see {@link Builder#virtualTime}. */
  public boolean isVirtualTime() {
    return virtualTime;
  }

  /** Whether a link is emulated at all. */
  boolean hasLinks() {
    return !intra.equals(Link.INSTANT) || !inter.equals(Link.INSTANT);
  }

  @Override
  public String toString() {
    return "LinkEmulation[intra="
        + intra
        + ", inter="
        + inter
        + ", sharedInter="
        + sharedInter
        + ", virtualTime="
        + virtualTime
        + "]";
  }

  /** Sets up a {@link LinkEmulation}. */
  public static final class Builder {
    private Link intra = Link.INSTANT;
    private Link inter = Link.INSTANT;
    private boolean sharedInter;
    private boolean virtualTime;

    private Builder() {}

    /**
     * The link between ranks of a node.
     *
     * @throws NullPointerException if intra is null
     */
    public Builder intra(Link intra) {
      this.intra = Preconditions.present(intra, "intra");
      return this;
    }

    /**
     * The link between ranks of different nodes.
     *
     * @throws NullPointerException if inter is null
     */
    public Builder inter(Link inter) {
      this.inter = Preconditions.present(inter, "inter");
      return this;
    }

    /** Whether the ranks of a node share one link to the other nodes. */
    public Builder sharedInter(boolean sharedInter) {
      this.sharedInter = sharedInter;
      return this;
    }

    /**
     * Whether the clock of each rank counts the CPU time of its thread and the emulated transfers
     * instead of real time, so that more ranks than processors can be compared without waiting. All
     * times in {@link org.lvxattn.Statistics} are then of this clock; the ranks' devices must have
     * one thread.
     */
    public Builder virtualTime(boolean virtualTime) {
      this.virtualTime = virtualTime;
      return this;
    }

    /** The emulation that was described. */
    public LinkEmulation build() {
      return new LinkEmulation(this);
    }
  }
}
