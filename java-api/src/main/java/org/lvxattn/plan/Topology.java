// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

import java.util.Objects;
import org.lvxattn.Link;

/**
 * How ranks reach each other. Each rank sends and receives at once, one message after the other in
 * each direction, over its link inside the node and its link to other nodes.
 *
 * @param ranksPerNode ranks are placed on nodes in rank order, so many on each; at least 1
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
    Checks.require(ranksPerNode >= 1, "ranksPerNode", ranksPerNode, "1 or more");
    Objects.requireNonNull(intra, "intra is null");
    Objects.requireNonNull(inter, "inter is null");
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
