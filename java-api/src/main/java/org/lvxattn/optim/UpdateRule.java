// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.optim;

/** How an {@link Optimizer} updates parameters. Immutable; the optimizer holds the state. */
public sealed interface UpdateRule permits Sgd, Adam {
  /** The learning rate of steps that do not pass their own. */
  double learningRate();
}
