// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_group_options;

/**
 * How a group is made.
 *
 * @param deadline the longest wait for a peer at any one point; more than zero, at most 10^9
 *     seconds. Over TCP ({@link Group#gloo}) it counts from the last byte that moved: a slow link
 *     on which bytes flow is waited for. MPI and NCCL do not tell of bytes: there a transfer must
 *     end within it
 * @param ranksPerNode ranks are placed on nodes in this order, which matters for what is counted as
 *     traffic between nodes; 0 for one node
 * @param recorderEntries how many operations the flight recorder keeps; 1 to 2^20
 * @param intra the link that a local group emulates between ranks of a node; {@link Link#INSTANT}
 *     for none, and in every other group, whose links are real
 * @param inter likewise between nodes
 * @param sharedInter whether the ranks of a node share one emulated link to the other nodes
 * @param virtualTime whether the clock of each rank of a local group counts the processor time of
 *     its thread and the emulated transfers instead of real time: so more ranks than processors can
 *     be compared, without waiting. All times in {@link Statistics} are then of this clock; the
 *     ranks' devices must have one thread
 * @param secret what the ranks of a group over Gloo or NCCL prove to one another to know, before
 *     anything else, and alike on all: a text of at most 1024 bytes in UTF-8. It is never sent,
 *     written or shown. Null for what the environment variable {@code LVX_SECRET} says when the
 *     group is made; without either, whoever sees the ranks' addresses on their way can take the
 *     place of a rank
 * @param checksums whether every message of a group over Gloo, and all that the ranks of one over
 *     NCCL agree on, carries a checksum (CRC-32C), alike on all ranks. {@code LVX_CHECKSUM=0} in
 *     the environment turns them off, too
 */
public record GroupOptions(
    Duration deadline,
    int ranksPerNode,
    int recorderEntries,
    Link intra,
    Link inter,
    boolean sharedInter,
    boolean virtualTime,
    @Nullable String secret,
    boolean checksums) {
  /** Some thirty years. */
  private static final Duration LONGEST_DEADLINE = Duration.ofSeconds(1_000_000_000);

  private static final String SECRET = "LVX_SECRET";

  private static final String CHECKSUM = "LVX_CHECKSUM";

  private static final int MOST_RECORDER_ENTRIES = 1 << 20;

  private static final GroupOptions DEFAULTS =
      new GroupOptions(
          Duration.ofSeconds(60), 0, 4096, Link.INSTANT, Link.INSTANT, false, false, null, true);

  /**
   * Checks the components.
   *
   * @throws NullPointerException if deadline or a link is null
   * @throws IllegalArgumentException if a component is out of range
   */
  public GroupOptions {
    requireDeadline(deadline);
    if (ranksPerNode < 0) {
      throw new IllegalArgumentException(
          "ranksPerNode is " + ranksPerNode + "; 0 for one node, or more, was expected");
    }
    if (recorderEntries < 1 || recorderEntries > MOST_RECORDER_ENTRIES) {
      throw new IllegalArgumentException(
          "recorderEntries is "
              + recorderEntries
              + "; 1 to "
              + MOST_RECORDER_ENTRIES
              + " was expected");
    }
    Arguments.present(intra, "intra");
    Arguments.present(inter, "inter");
    if (secret != null) {
      requireSecret(secret, "secret");
    }
  }

  /** A deadline of 60 seconds, one node, 4096 operations, no emulated links. */
  public static GroupOptions defaults() {
    return DEFAULTS;
  }

  /** These options with another deadline. */
  public GroupOptions withDeadline(Duration deadline) {
    return new GroupOptions(
        deadline,
        ranksPerNode,
        recorderEntries,
        intra,
        inter,
        sharedInter,
        virtualTime,
        secret,
        checksums);
  }

  /** These options with another number of ranks on a node. */
  public GroupOptions withRanksPerNode(int ranksPerNode) {
    return new GroupOptions(
        deadline,
        ranksPerNode,
        recorderEntries,
        intra,
        inter,
        sharedInter,
        virtualTime,
        secret,
        checksums);
  }

  /** These options with another length of the flight recorder. */
  public GroupOptions withRecorderEntries(int recorderEntries) {
    return new GroupOptions(
        deadline,
        ranksPerNode,
        recorderEntries,
        intra,
        inter,
        sharedInter,
        virtualTime,
        secret,
        checksums);
  }

  /** These options with emulated links, for a local group. */
  public GroupOptions withLinks(Link intra, Link inter, boolean sharedInter) {
    return new GroupOptions(
        deadline,
        ranksPerNode,
        recorderEntries,
        intra,
        inter,
        sharedInter,
        virtualTime,
        secret,
        checksums);
  }

  /** These options with the ranks' clocks in virtual or real time, for a local group. */
  public GroupOptions withVirtualTime(boolean virtualTime) {
    return new GroupOptions(
        deadline,
        ranksPerNode,
        recorderEntries,
        intra,
        inter,
        sharedInter,
        virtualTime,
        secret,
        checksums);
  }

  /**
   * These options with a secret, in place of what {@code LVX_SECRET} says.
   *
   * @throws NullPointerException if secret is null
   * @throws IllegalArgumentException if it is empty, longer than 1024 bytes in UTF-8, or has a zero
   *     in it
   */
  public GroupOptions withSecret(String secret) {
    return new GroupOptions(
        deadline,
        ranksPerNode,
        recorderEntries,
        intra,
        inter,
        sharedInter,
        virtualTime,
        Arguments.present(secret, "secret"),
        checksums);
  }

  /** These options with checksums or without. */
  public GroupOptions withChecksums(boolean checksums) {
    return new GroupOptions(
        deadline,
        ranksPerNode,
        recorderEntries,
        intra,
        inter,
        sharedInter,
        virtualTime,
        secret,
        checksums);
  }

  /**
   * These options with what the environment says of how ranks are joined.
   *
   * @throws IllegalStateException naming a variable that makes no sense
   */
  GroupOptions withEnvironment(UnaryOperator<@Nullable String> variables) {
    GroupOptions options = this;
    String known = variables.apply(SECRET);
    if (secret == null && known != null) {
      try {
        options = options.withSecret(known);
      } catch (IllegalArgumentException e) {
        throw new IllegalStateException(
            "environment variable " + SECRET + ": " + e.getMessage(), e);
      }
    }
    String checksum = variables.apply(CHECKSUM);
    return switch (checksum) {
      case null -> options;
      case "1" -> options;
      case "0" -> options.withChecksums(false);
      default ->
          throw new IllegalStateException(
              "environment variable " + CHECKSUM + " is '" + checksum + "'; 0 or 1 was expected");
    };
  }

  /** Without the secret. */
  @Override
  public String toString() {
    return "GroupOptions[deadline="
        + deadline
        + ", ranksPerNode="
        + ranksPerNode
        + ", recorderEntries="
        + recorderEntries
        + ", intra="
        + intra
        + ", inter="
        + inter
        + ", sharedInter="
        + sharedInter
        + ", virtualTime="
        + virtualTime
        + ", secret="
        + (secret == null ? "none" : "given")
        + ", checksums="
        + checksums
        + "]";
  }

  static void requireSecret(String secret, String name) {
    Arguments.require(!secret.isEmpty(), name + " is empty; a text was expected");
    int bytes = secret.getBytes(StandardCharsets.UTF_8).length;
    if (bytes > Lvx.LVX_SECRET_BYTES()) {
      throw new IllegalArgumentException(
          name
              + " has "
              + bytes
              + " bytes in UTF-8; 1 to "
              + Lvx.LVX_SECRET_BYTES()
              + " were expected");
    }
    Arguments.require(
        secret.indexOf('\0') < 0, name + " has a zero in it; a text without was expected");
  }

  static void requireDeadline(Duration deadline) {
    Arguments.present(deadline, "deadline");
    if (deadline.isNegative() || deadline.isZero() || deadline.compareTo(LONGEST_DEADLINE) > 0) {
      throw new IllegalArgumentException(
          "deadline is "
              + deadline
              + "; a duration longer than zero and of at most 10^9 seconds was expected");
    }
  }

  static double seconds(Duration duration) {
    return duration.getSeconds() + duration.getNano() * 1e-9;
  }

  MemorySegment toNative(Arena arena) {
    MemorySegment struct = lvx_group_options.allocate(arena);
    lvx_group_options.struct_size(struct, lvx_group_options.sizeof());
    lvx_group_options.deadline_seconds(struct, seconds(deadline));
    lvx_group_options.ranks_per_node(struct, ranksPerNode);
    lvx_group_options.recorder_entries(struct, recorderEntries);
    lvx_group_options.intra_bytes_per_second(struct, bandwidth(intra));
    lvx_group_options.intra_latency_seconds(struct, intra.latencySeconds());
    lvx_group_options.inter_bytes_per_second(struct, bandwidth(inter));
    lvx_group_options.inter_latency_seconds(struct, inter.latencySeconds());
    lvx_group_options.shared_inter(struct, sharedInter ? 1 : 0);
    lvx_group_options.virtual_time(struct, virtualTime ? 1 : 0);
    lvx_group_options.secret(struct, Arguments.optionalText(secret, arena, "secret"));
    lvx_group_options.without_checksums(struct, checksums ? 0 : 1);
    return struct;
  }

  // The native side says 0 for as fast as memory.
  private static double bandwidth(Link link) {
    return Double.isInfinite(link.bytesPerSecond()) ? 0 : link.bytesPerSecond();
  }
}
