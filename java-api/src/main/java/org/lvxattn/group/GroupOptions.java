// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.lvx_group_options;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.Texts;
import org.lvxattn.internal.rendezvous.Secret;
import org.lvxattn.plan.Link;

/**
 * Options of a group.
 *
 * <p>Immutable. Created by {@link #builder} or {@link #defaults}.
 */
public final class GroupOptions {
  /** About thirty years. */
  private static final Duration LONGEST_TIMEOUT = Duration.ofSeconds(1_000_000_000);

  private static final String CHECKSUM = "LVX_CHECKSUM";

  private static final int MOST_RECORDER_ENTRIES = 1 << 20;

  private static final GroupOptions DEFAULTS = builder().build();

  private final Duration timeout;
  private final int ranksPerNode;
  private final int recorderEntries;
  private final @Nullable String secret;
  private final boolean checksums;

  private GroupOptions(Builder builder) {
    this.timeout = builder.timeout;
    this.ranksPerNode = builder.ranksPerNode;
    this.recorderEntries = builder.recorderEntries;
    this.secret = builder.secret;
    this.checksums = builder.checksums;
  }

  /** A timeout of 60 seconds, one node, 4096 operations, checksums. */
  public static GroupOptions defaults() {
    return DEFAULTS;
  }

  /** A builder that starts from {@link #defaults}. */
  public static Builder builder() {
    return new Builder();
  }

  /** A builder that starts from these settings. */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.timeout = timeout;
    builder.ranksPerNode = ranksPerNode;
    builder.recorderEntries = recorderEntries;
    builder.secret = secret;
    builder.checksums = checksums;
    return builder;
  }

  /** The longest time to wait for a peer at any one point; see {@link Builder#timeout}. */
  public Duration timeout() {
    return timeout;
  }

  /** Number of ranks per node; 0 if all ranks are on one node. */
  public int ranksPerNode() {
    return ranksPerNode;
  }

  /** Number of operations that the flight recorder keeps. */
  public int recorderEntries() {
    return recorderEntries;
  }

  /** The shared secret of the ranks; null for the environment variable {@code LVX_SECRET}. */
  public @Nullable String secret() {
    return secret;
  }

  /** Whether messages carry checksums; see {@link Builder#checksums}. */
  public boolean checksums() {
    return checksums;
  }

  /**
   * These options with the secret of the environment if they have none, and without checksums if
   * the environment disables them.
   *
   * @throws IllegalStateException that names an invalid variable
   */
  GroupOptions withEnvironment(UnaryOperator<@Nullable String> variables) {
    Builder told = toBuilder();
    if (secret == null) {
      told.secret = Secret.ofEnvironment(variables);
    }
    String checksum = variables.apply(CHECKSUM);
    switch (checksum) {
      case null -> {}
      case "1" -> {}
      case "0" -> told.checksums = false;
      default ->
          throw new IllegalStateException(
              "environment variable " + CHECKSUM + " is '" + checksum + "'; 0 or 1 was expected");
    }
    return told.build();
  }

  static void requireTimeout(Duration timeout) {
    Preconditions.present(timeout, "timeout");
    Preconditions.require(
        !timeout.isNegative() && !timeout.isZero() && timeout.compareTo(LONGEST_TIMEOUT) <= 0,
        "timeout",
        timeout,
        "a duration longer than zero and of at most 10^9 seconds");
  }

  static double seconds(Duration duration) {
    return duration.getSeconds() + duration.getNano() * 1e-9;
  }

  /** The struct lvx_group_options. */
  MemorySegment toNative(Arena arena) {
    return toNative(arena, LinkEmulation.none());
  }

  /** As above, for a local world. */
  MemorySegment toNative(Arena arena, LinkEmulation emulation) {
    MemorySegment struct = lvx_group_options.allocate(arena);
    lvx_group_options.struct_size(struct, lvx_group_options.sizeof());
    lvx_group_options.timeout_seconds(struct, seconds(timeout));
    lvx_group_options.ranks_per_node(struct, ranksPerNode);
    lvx_group_options.recorder_entries(struct, recorderEntries);
    lvx_group_options.intra_bytes_per_second(struct, bandwidth(emulation.intra()));
    lvx_group_options.intra_latency_seconds(struct, emulation.intra().latencySeconds());
    lvx_group_options.inter_bytes_per_second(struct, bandwidth(emulation.inter()));
    lvx_group_options.inter_latency_seconds(struct, emulation.inter().latencySeconds());
    lvx_group_options.shared_inter(struct, emulation.isSharedInter() ? 1 : 0);
    lvx_group_options.virtual_time(struct, emulation.isVirtualTime() ? 1 : 0);
    lvx_group_options.secret(struct, Texts.optional(secret, arena, "secret"));
    lvx_group_options.without_checksums(struct, checksums ? 0 : 1);
    return struct;
  }

  // For the native side, 0 means as fast as memory.
  private static double bandwidth(Link link) {
    return Double.isInfinite(link.bytesPerSecond()) ? 0 : link.bytesPerSecond();
  }

  /** Without the secret. */
  @Override
  public String toString() {
    return "GroupOptions[timeout="
        + timeout
        + ", ranksPerNode="
        + ranksPerNode
        + ", recorderEntries="
        + recorderEntries
        + ", secret="
        + (secret == null ? "none" : "given")
        + ", checksums="
        + checksums
        + "]";
  }

  /** Sets up {@link GroupOptions}. */
  public static final class Builder {
    private Duration timeout = Duration.ofSeconds(60);
    private int ranksPerNode;
    private int recorderEntries = 4096;
    private @Nullable String secret;
    private boolean checksums = true;

    private Builder() {}

    /**
     * The longest time to wait for a peer at any one point; 60 seconds if not set. Over TCP ({@link
     * Group#gloo}) it counts from the last byte that moved, so a slow transfer does not time out
     * while bytes flow. MPI and NCCL do not report bytes, so there it bounds each whole transfer.
     *
     * @param timeout more than zero, at most 10^9 seconds
     * @throws NullPointerException if timeout is null
     * @throws IllegalArgumentException if it is out of range
     */
    public Builder timeout(Duration timeout) {
      requireTimeout(timeout);
      this.timeout = timeout;
      return this;
    }

    /**
     * Sets the number of ranks per node. Ranks are assigned to nodes in rank order; this decides
     * what counts as traffic between nodes.
     *
     * @param ranksPerNode 0 (default) if all ranks are on one node
     * @throws IllegalArgumentException if it is negative
     */
    public Builder ranksPerNode(int ranksPerNode) {
      Preconditions.require(
          ranksPerNode >= 0, "ranksPerNode", ranksPerNode, "0 for one node, or more,");
      this.ranksPerNode = ranksPerNode;
      return this;
    }

    /**
     * Number of operations that the flight recorder keeps; 4096 if not set.
     *
     * @param recorderEntries 1 to 2^20
     * @throws IllegalArgumentException if it is out of range
     */
    public Builder recorderEntries(int recorderEntries) {
      Preconditions.require(
          recorderEntries >= 1 && recorderEntries <= MOST_RECORDER_ENTRIES,
          "recorderEntries",
          recorderEntries,
          "1 to " + MOST_RECORDER_ENTRIES);
      this.recorderEntries = recorderEntries;
      return this;
    }

    /**
     * The shared secret by which the ranks of a Gloo or NCCL group authenticate each other. It is
     * never sent, logged or shown. If it is not set, the environment variable {@code LVX_SECRET} is
     * read when the group is created. Without a secret, anyone who can read the ranks' addresses in
     * transit can join in place of a rank.
     *
     * @param secret 1 to 1024 bytes in UTF-8, the same on all ranks
     * @throws NullPointerException if secret is null
     * @throws IllegalArgumentException if it is empty or too long, or contains a NUL character
     */
    public Builder secret(String secret) {
      this.secret = Secret.require(secret, "secret");
      return this;
    }

    /**
     * Whether every message of a Gloo group, and every announcement of an NCCL group, carries a
     * checksum (CRC-32C); true if not set. The same on all ranks. {@code LVX_CHECKSUM=0} in the
     * environment also disables checksums.
     */
    public Builder checksums(boolean checksums) {
      this.checksums = checksums;
      return this;
    }

    /** Builds the options. */
    public GroupOptions build() {
      return new GroupOptions(this);
    }
  }
}
