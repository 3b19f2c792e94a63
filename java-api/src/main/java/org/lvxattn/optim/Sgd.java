// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.optim;

import org.lvxattn.internal.Preconditions;

/**
 * Stochastic gradient descent with heavy-ball momentum (Sutskever et al., ICML 2013). The momentum
 * buffer m does not contain the learning rate:
 *
 * <pre>
 *   g = gradient + weightDecay p;   m = momentum m + g;   p = p - learningRate m
 * </pre>
 *
 * @param learningRate above 0
 * @param momentum in [0, 1); 0 is plain gradient descent
 * @param weightDecay 0 or more
 */
public record Sgd(double learningRate, double momentum, double weightDecay) implements UpdateRule {
  /**
   * Checks the components.
   *
   * @throws IllegalArgumentException if one is out of its range
   */
  public Sgd {
    Preconditions.finitePositive(learningRate, "learningRate");
    Preconditions.fraction(momentum, "momentum");
    Preconditions.finiteNonNegative(weightDecay, "weightDecay");
  }

  /** Plain gradient descent. */
  public Sgd(double learningRate) {
    this(learningRate, 0, 0);
  }

  void update(Numbers parameter, Numbers gradient, double rate) {
    for (long i = 0; i < parameter.count(); i++) {
      double p = parameter.get(i);
      parameter.set(i, p - rate * (gradient.get(i) + weightDecay * p));
    }
  }

  void update(Numbers parameter, Numbers gradient, Numbers average, double rate) {
    for (long i = 0; i < parameter.count(); i++) {
      double p = parameter.get(i);
      double m = momentum * average.get(i) + gradient.get(i) + weightDecay * p;
      average.set(i, m);
      parameter.set(i, p - rate * m);
    }
  }
}
