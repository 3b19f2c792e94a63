// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import org.lvxattn.internal.Preconditions;

/**
 * How ranks are connected. Each rank has a link inside its node and a link to other nodes. A link
 * sends and receives at the same time, one message after the other in each direction.
 *
 * @param ranksPerNode number of ranks per node, at least 1; ranks are assigned to nodes in rank
 *     order
 * @param intra each rank's link inside its node
 * @param inter each rank's link to other nodes
 * @param sharedInter whether the ranks of a node share one such link
 */
public record Topology(int ranksPerNode, Link intra, Link inter, boolean sharedInter) {
  /**
   * Checks the components.
   *
   * @throws NullPointerException if a link is null
   * @throws IllegalArgumentException if ranksPerNode is not positive
   */
  public Topology {
    Preconditions.require(ranksPerNode >= 1, "ranksPerNode", ranksPerNode, "1 or more");
    Preconditions.present(intra, "intra");
    Preconditions.present(inter, "inter");
  }

  /** All ranks on one node. */
  public static Topology oneNode(Link link) {
    return new Topology(Integer.MAX_VALUE, link, link, false);
  }

  int nodeOf(int rank) {
    return rank / ranksPerNode;
  }

  boolean isInter(int from, int to) {
    return nodeOf(from) != nodeOf(to);
  }
}
