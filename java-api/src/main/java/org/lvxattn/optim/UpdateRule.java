// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.optim;

/** How an {@link Optimizer} updates parameters; immutable, and without state of its own. */
public sealed interface UpdateRule permits Sgd, Adam {
  /** The learning rate, unless a step has its own. */
  double learningRate();
}
