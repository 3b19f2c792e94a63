// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import org.lvxattn.internal.Preconditions;
import org.lvxattn.plan.Link;

/**
 * Links of other machines that a {@link LocalWorld} emulates: messages take as long as on those
 * links. Groups of processes use their real links, and no emulation.
 *
 * <p>Immutable. Created by {@link #builder}.
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

  /** No emulation: messages are as fast as memory, in real time. */
  public static LinkEmulation none() {
    return NONE;
  }

  /** A builder that starts from {@link #none}. */
  public static Builder builder() {
    return new Builder();
  }

  /** A builder that starts from these settings. */
  public Builder toBuilder() {
    return new Builder()
        .intra(intra)
        .inter(inter)
        .sharedInter(sharedInter)
        .virtualTime(virtualTime);
  }

  /** The link between ranks of a node; {@link Link#INSTANT} if not emulated. */
  public Link intra() {
    return intra;
  }

  /** The link between ranks of different nodes; {@link Link#INSTANT} if not emulated. */
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
     * Whether each rank's clock counts the CPU time of its thread and the emulated transfers
     * instead of real time. This compares strategies over more ranks than the machine has
     * processors. All times in {@link org.lvxattn.Statistics} are then of this clock. Each rank's
     * device must have one thread.
     */
    public Builder virtualTime(boolean virtualTime) {
      this.virtualTime = virtualTime;
      return this;
    }

    /** Builds the emulation. */
    public LinkEmulation build() {
      return new LinkEmulation(this);
    }
  }
}
