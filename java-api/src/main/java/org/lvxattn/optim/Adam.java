// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.optim;

import org.lvxattn.internal.Preconditions;

/**
 * Adam (Kingma and Ba, arXiv 1412.6980), and AdamW (Loshchilov and Hutter, arXiv 1711.05101) where
 * the weight decay is decoupled. In step t:
 *
 * <pre>
 *   g = gradient (+ weightDecay p, if not decoupled)
 *   m = beta1 m + (1 - beta1) g;   v = beta2 v + (1 - beta2) g^2
 *   p = p - learningRate (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
 *                         (+ weightDecay p, if decoupled))
 * </pre>
 *
 * @param learningRate above 0
 * @param beta1 decay of the first moment, in [0, 1)
 * @param beta2 decay of the second moment, in [0, 1)
 * @param epsilon above 0
 * @param weightDecay 0 or more
 * @param decoupled whether the weight decay bypasses the moments, as in AdamW
 */
public record Adam(
    double learningRate,
    double beta1,
    double beta2,
    double epsilon,
    double weightDecay,
    boolean decoupled)
    implements UpdateRule {
  /**
   * Checks the components.
   *
   * @throws IllegalArgumentException if one is out of its range
   */
  public Adam {
    Preconditions.finitePositive(learningRate, "learningRate");
    Preconditions.fraction(beta1, "beta1");
    Preconditions.fraction(beta2, "beta2");
    Preconditions.finitePositive(epsilon, "epsilon");
    Preconditions.finiteNonNegative(weightDecay, "weightDecay");
  }

  /** Without weight decay, and with the paper's defaults: beta1 0.9, beta2 0.999, epsilon 1e-8. */
  public Adam(double learningRate) {
    this(learningRate, 0.9, 0.999, 1e-8, 0, false);
  }

  /** With decoupled weight decay (AdamW), otherwise as {@link #Adam(double)}. */
  public static Adam withDecoupledDecay(double learningRate, double weightDecay) {
    return new Adam(learningRate, 0.9, 0.999, 1e-8, weightDecay, true);
  }

  /**
   * @param step from 1
   */
  void update(
      Numbers parameter,
      Numbers gradient,
      Numbers firstMoment,
      Numbers secondMoment,
      long step,
      double rate) {
    double firstBias = 1 - Math.pow(beta1, (double) step);
    double secondBias = 1 - Math.pow(beta2, (double) step);
    double coupledDecay = decoupled ? 0 : weightDecay;
    double ownDecay = decoupled ? weightDecay : 0;
    for (long i = 0; i < parameter.count(); i++) {
      double p = parameter.get(i);
      double g = gradient.get(i) + coupledDecay * p;
      double m = beta1 * firstMoment.get(i) + (1 - beta1) * g;
      double v = beta2 * secondMoment.get(i) + (1 - beta2) * g * g;
      firstMoment.set(i, m);
      secondMoment.set(i, v);
      double direction = m / firstBias / (Math.sqrt(v / secondBias) + epsilon);
      parameter.set(i, p - rate * (direction + ownDecay * p));
    }
  }
}
