// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.optim;

/** How an {@link Optimizer} updates parameters; immutable, and without state of its own. */
public sealed interface UpdateRule permits Sgd, Adam {
  /** What a step is multiplied by, unless a step is told otherwise. */
  double learningRate();
}
