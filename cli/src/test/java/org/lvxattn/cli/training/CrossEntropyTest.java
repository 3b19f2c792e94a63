// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.lvxattn.cli.layers.BatchPlan;
import org.lvxattn.model.RowShard;
import org.lvxattn.testing.Seeds;

class CrossEntropyTest {
  /** 3 videos of 4 frames; texts of 4 frame tokens and 5 questions. */
  private static final BatchPlan PLAN = new BatchPlan(3, 4, 2, 9, 1, true);

  private static final QuestionTask.Batch BATCH = new QuestionTask(PLAN, 8, 8, 1).batch(0);

  private static CrossEntropy loss(double[] logits, RowShard rows) {
    return new CrossEntropy(logits, PLAN, rows, BATCH);
  }

  private static double[] logits(int count) {
    return Seeds.random(5).doubles(count, -3, 3).toArray();
  }

  @Test
  void theGradientIsThatOfTheLoss() {
    double[] logits = logits(3 * 9 * 4);
    RowShard all = RowShard.whole(9);
    double[] gradient = loss(logits, all).gradient();
    double step = 1e-5;
    for (int i = 0; i < logits.length; i++) {
      double[] more = logits.clone();
      double[] less = logits.clone();
      more[i] += step;
      less[i] -= step;
      double slope = (loss(more, all).loss() - loss(less, all).loss()) / (2 * step);
      assertThat(gradient[i]).isCloseTo(slope, within(1e-9));
    }
  }

  @Test
  void sharesOfRanksAddUp() {
    double[] logits = logits(3 * 9 * 4);
    double sum = 0;
    long correct = 0;
    for (RowShard rows : new RowShard[] {new RowShard(0, 6, 9), new RowShard(6, 9, 9)}) {
      double[] own = new double[(int) (3 * rows.rows() * 4)];
      for (int video = 0; video < 3; video++) {
        int length = (int) rows.rows() * 4;
        System.arraycopy(logits, (video * 9 + (int) rows.begin()) * 4, own, video * length, length);
      }
      CrossEntropy share = loss(own, rows);
      sum += share.loss();
      correct += share.correct();
    }
    CrossEntropy whole = loss(logits, RowShard.whole(9));
    assertThat(sum).isCloseTo(whole.loss(), within(1e-14));
    assertThat(correct).isEqualTo(whole.correct());
  }

  @Test
  void knowingTheAnswerCostsNothingAndGuessingItsLogarithm() {
    double[] sure = new double[3 * 9 * 4];
    assertThat(loss(sure, RowShard.whole(9)).loss()).isCloseTo(Math.log(4), within(1e-14));
    for (int video = 0; video < 3; video++) {
      for (int question = 0; question < 5; question++) {
        sure[((video * 9) + 4 + question) * 4 + BATCH.answer(video, question)] = 1000;
      }
    }
    CrossEntropy known = loss(sure, RowShard.whole(9));
    assertThat(known.loss()).isZero();
    assertThat(known.correct()).isEqualTo(15);
  }
}
