// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import org.jspecify.annotations.Nullable;
import org.lvxattn.plan.Link;
import picocli.CommandLine.Option;

/** Placement of the ranks on nodes, and the links between them. */
final class LinkOptions {
  @Option(
      names = "--ranks-per-node",
      paramLabel = "N",
      converter = Positive.class,
      description = "Ranks that share a node (default: all).")
  @Nullable Integer ranksPerNode;

  @Option(
      names = "--intra",
      paramLabel = "GB/s[,us]",
      converter = Bandwidth.class,
      description = "Emulated link of each rank inside its node (default: none).")
  @Nullable Link intra;

  @Option(
      names = "--inter",
      paramLabel = "GB/s[,us]",
      converter = Bandwidth.class,
      description = "Emulated link of each rank to other nodes (default: none).")
  @Nullable Link inter;

  @Option(
      names = "--shared-inter",
      description = "The ranks of a node share one link to other nodes.")
  boolean sharedInter;

  /** Number of ranks per node; 0 for one node. */
  int ranksPerNode() {
    if (ranksPerNode == null && (inter != null || sharedInter)) {
      throw new UsageException(
          "--inter and --shared-inter need --ranks-per-node: without it there is one node");
    }
    return ranksPerNode == null ? 0 : ranksPerNode;
  }

  Link intra() {
    return intra == null ? Link.INSTANT : intra;
  }

  Link inter() {
    return inter == null ? Link.INSTANT : inter;
  }

  boolean isEmulated() {
    return intra != null || inter != null;
  }
}
