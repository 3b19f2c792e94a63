// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.launch;

/** The backend that joins the ranks of a group. */
public enum GroupBackend {
  /** No backend: one rank. */
  SELF,
  /** Ranks are threads of one process. */
  LOCAL,
  /** Ranks are processes, joined over TCP by Gloo. */
  GLOO,
  /** Ranks are processes, joined by MPI. */
  MPI,
  /** Ranks are CUDA devices, of any processes, joined by NCCL. */
  NCCL
}
