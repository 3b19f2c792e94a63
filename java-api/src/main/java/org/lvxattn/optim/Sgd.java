// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.optim;

/**
 * Stochastic gradient descent with heavy-ball momentum, in the form of Sutskever et al. (ICML 2013)
 * that keeps the learning rate out of the average:
 *
 * <pre>
 *   g = gradient + weightDecay p;   m = momentum m + g;   p = p - learningRate m
 * </pre>
 *
 * @param learningRate above 0
 * @param momentum from 0, which is plain descent, to below 1
 * @param weightDecay 0 or more
 */
public record Sgd(double learningRate, double momentum, double weightDecay) implements UpdateRule {
  /**
   * Checks the numbers.
   *
   * @throws IllegalArgumentException if one is out of its range
   */
  public Sgd {
    Checks.positive(learningRate, "learningRate");
    Checks.fraction(momentum, "momentum");
    Checks.nonNegative(weightDecay, "weightDecay");
  }

  /** Plain descent. */
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
