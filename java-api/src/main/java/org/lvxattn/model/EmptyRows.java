// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

/**
 * What Llama 3-V does to text rows that may see no tile. Either way their MLP branch is left out.
 */
public enum EmptyRows {
  /** They attend to all visual rows, padding tiles included, as transformers lets them. */
  ATTEND_ALL,
  /** Their attention is 0, as in Meta's own code. */
  ZERO
}
