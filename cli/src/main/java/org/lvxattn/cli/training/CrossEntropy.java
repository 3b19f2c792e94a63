// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.training;

import org.lvxattn.cli.layers.BatchPlan;
import org.lvxattn.model.RowShard;

/**
 * The loss of one rank's rows: -log softmax(logits)[answer], summed over the rows that are
 * questions and divided by the number of questions of all ranks.
 */
final class CrossEntropy {
  private final int classes;
  private final double[] gradient;
  private double loss;
  private long correct;

  /**
   * @param logits [batch, rows of this rank, frames]
   */
  CrossEntropy(double[] logits, BatchPlan plan, RowShard rows, QuestionTask.Batch batch) {
    this.classes = plan.frames();
    this.gradient = new double[logits.length];
    int questions = plan.batch() * (plan.textRows() - plan.frames());
    int row = 0;
    for (int video = 0; video < plan.batch(); video++) {
      for (long text = rows.begin(); text < rows.end(); text++, row++) {
        if (text >= plan.frames()) {
          int pattern = (int) text - plan.frames();
          add(logits, row * classes, batch.answer(video, pattern), questions);
        }
      }
    }
  }

  private void add(double[] logits, int at, int answer, int questions) {
    double max = Double.NEGATIVE_INFINITY;
    int best = 0;
    for (int i = 0; i < classes; i++) {
      if (logits[at + i] > max) {
        max = logits[at + i];
        best = i;
      }
    }
    double sum = 0;
    for (int i = 0; i < classes; i++) {
      sum += Math.exp(logits[at + i] - max);
    }
    for (int i = 0; i < classes; i++) {
      double probability = Math.exp(logits[at + i] - max) / sum;
      gradient[at + i] = (probability - (i == answer ? 1 : 0)) / questions;
    }
    loss += (max + Math.log(sum) - logits[at + answer]) / questions;
    correct += best == answer ? 1 : 0;
  }

  /** The loss of this rank's rows; the sum over the ranks is the loss. */
  double loss() {
    return loss;
  }

  /** Number of questions of this rank whose answer has the largest logit. */
  long correct() {
    return correct;
  }

  /** The gradient of the logits. */
  double[] gradient() {
    return gradient;
  }
}
