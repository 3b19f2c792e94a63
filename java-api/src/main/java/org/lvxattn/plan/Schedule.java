// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/** A strategy at work on a problem, rank by rank. */
interface Schedule {
  RankProgram program(int rank);

  /** Bytes of memory beside the caller's tensors and the kernels' scratch. */
  long workspaceBytes(int rank);
}
