// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

/** How Llama 3-V treats text rows that see no tile. In both cases their MLP branch is skipped. */
public enum EmptyRows {
  /** They attend to all visual rows, including padding tiles, as in transformers. */
  ATTEND_ALL,
  /** Their attention is 0, as in Meta's own code. */
  ZERO
}
