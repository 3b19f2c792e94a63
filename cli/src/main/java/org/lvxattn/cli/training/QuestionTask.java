// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.training;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.lvxattn.Tensor;
import org.lvxattn.cli.layers.BatchPlan;
import org.lvxattn.cli.layers.VisualShard;
import org.lvxattn.model.RowShard;

/**
 * A question on videos: in which frame is a pattern shown?
 *
 * <p>Each visual token carries its frame's code and noise. Each of several patterns is added to a
 * few tokens of one frame, chosen at random for every video. The text is a token for each frame and
 * then a question for each pattern. A question's row holds only the code of its pattern, so the
 * answer can only come from the video, through cross-attention.
 */
public final class QuestionTask {
  private static final double NOISE = 0.3;
  private static final double PATTERN_STRENGTH = 2;

  private final BatchPlan plan;
  private final int patterns;
  private final long seed;
  private final double[][] frameCodes;
  private final double[][] patternCodes;
  private final double[][] textCodes;

  /** Draws random codes of the rows' widths; the plan's texts must have room for the frames. */
  public QuestionTask(BatchPlan plan, int textWidth, int visualWidth, long seed) {
    this.plan = plan;
    this.patterns = plan.textRows() - plan.frames();
    this.seed = seed;
    SplittableRandom random = new SplittableRandom(seed);
    this.frameCodes = codes(plan.frames(), visualWidth, random);
    this.patternCodes = codes(patterns, visualWidth, random);
    this.textCodes = codes(plan.textRows(), textWidth, random);
  }

  private static double[][] codes(int count, int width, SplittableRandom random) {
    double[][] codes = new double[count][width];
    for (double[] code : codes) {
      Arrays.setAll(code, i -> random.nextGaussian());
    }
    return codes;
  }

  /** Number of questions for one video. */
  public int patterns() {
    return patterns;
  }

  /** One batch of videos. Every rank generates the whole batch and uses its own rows. */
  public Batch batch(long number) {
    return new Batch(new SplittableRandom(seed ^ (number + 1) * 0x9e3779b97f4a7c15L));
  }

  /** A batch of videos and their answers. */
  public final class Batch {
    private final int[][] answers = new int[plan.batch()][patterns];
    private final double[][][] features = new double[plan.batch()][plan.visualRows()][];

    private Batch(SplittableRandom random) {
      for (int video = 0; video < plan.batch(); video++) {
        for (int row = 0; row < plan.visualRows(); row++) {
          double[] code = frameCodes[row / plan.tokensPerFrame()].clone();
          Arrays.setAll(code, i -> code[i] + NOISE * random.nextGaussian());
          features[video][row] = code;
        }
        for (int pattern = 0; pattern < patterns; pattern++) {
          show(pattern, video, random);
        }
      }
    }

    private void show(int pattern, int video, SplittableRandom random) {
      int frame = random.nextInt(plan.frames());
      answers[video][pattern] = frame;
      for (int token = 0; token < Math.ceilDiv(plan.tokensPerFrame(), 4); token++) {
        int row = frame * plan.tokensPerFrame() + random.nextInt(plan.tokensPerFrame());
        double[] code = features[video][row];
        Arrays.setAll(code, i -> code[i] + PATTERN_STRENGTH * patternCodes[pattern][i]);
      }
    }

    /** The frame in which a video shows a pattern. */
    public int answer(int video, int pattern) {
      return answers[video][pattern];
    }

    /** Fills [sequences, rows, width] with a rank's visual rows. */
    public void fillFeatures(Tensor target, VisualShard shard) {
      int width = (int) target.dimension(2);
      double[] values = new double[(int) target.elements()];
      for (int i = 0; i < values.length / width; i++) {
        int sequence = (int) (i / shard.rows());
        long row = i % shard.rows();
        double[] code = features[shard.item(sequence, row)][shard.rowOfItem(row)];
        System.arraycopy(code, 0, values, i * width, width);
      }
      target.copyFrom(values);
    }

    /** Fills [batch, rows, width] with a rank's text rows. */
    public void fillText(Tensor target, RowShard shard) {
      int width = (int) target.dimension(2);
      double[] values = new double[(int) target.elements()];
      for (int i = 0; i < values.length / width; i++) {
        int row = (int) (shard.begin() + i % shard.rows());
        System.arraycopy(textCodes[row], 0, values, i * width, width);
      }
      target.copyFrom(values);
    }
  }
}
