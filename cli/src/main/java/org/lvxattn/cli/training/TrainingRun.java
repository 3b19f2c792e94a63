// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.training;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Strategy;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.cli.layers.BatchPlan;
import org.lvxattn.cli.layers.Initial;
import org.lvxattn.cli.layers.LayerSizes;
import org.lvxattn.cli.layers.LayerStack;
import org.lvxattn.cli.layers.RankLayers;
import org.lvxattn.cli.layers.VisualShard;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.layer.LayerOperations;
import org.lvxattn.model.Gradients;
import org.lvxattn.model.Parameters;
import org.lvxattn.model.RowShard;
import org.lvxattn.optim.Optimizer;
import org.lvxattn.optim.UpdateRule;
import org.lvxattn.oracle.DeviceChoice;
import org.lvxattn.plan.RecomputePolicy;
import org.lvxattn.visual.VisualCheckpoint;

/**
 * Trains a stack of layers and a linear head on the questions, over local ranks. Every rank has a
 * copy of all parameters and its own rows of the texts and videos. Gradients are summed over the
 * ranks before each step, so the copies stay equal.
 */
public final class TrainingRun {
  private static final String HEAD = "head.weight";

  /** What is trained, and how. The result must not depend on the number of ranks. */
  public record Settings(
      LayerSizes sizes,
      int videos,
      int frames,
      int tokensPerFrame,
      int questions,
      DType dtype,
      RecomputePolicy policy,
      int tileRows,
      UpdateRule rule,
      int steps,
      long seed,
      DeviceChoice device) {}

  /**
   * The result of a training.
   *
   * @param losses loss before each step
   * @param accuracy fraction of correctly answered questions in the last tenth of the steps
   * @param seconds duration of all steps
   */
  public record Outcome(List<Double> losses, double accuracy, double seconds) {}

  private final Settings settings;
  private final BatchPlan plan;

  public TrainingRun(Settings settings, int ranks) {
    this.settings = settings;
    this.plan =
        new BatchPlan(
            settings.videos(),
            settings.frames(),
            settings.tokensPerFrame(),
            settings.frames() + settings.questions(),
            ranks,
            true);
  }

  /** Trains; calls {@code step} after each step. */
  public Outcome run(Runnable step) {
    List<Outcome> outcomes =
        LocalWorld.run(
            plan.ranks(),
            GroupOptions.defaults(),
            settings.device().forRanks(plan.ranks()),
            group -> new Rank(group).train(group.rank() == 0 ? step : () -> {}));
    return outcomes.getFirst();
  }

  /** One rank's training, on its own thread. */
  private final class Rank {
    private final Group group;
    private final Device device;
    private final RowShard text;
    private final VisualShard visual;

    Rank(Group group) {
      this.group = group;
      this.device = group.device();
      this.text = plan.text(group.rank());
      this.visual = plan.visual(settings.sizes().family(), group.rank());
    }

    Outcome train(Runnable step) {
      LayerSizes sizes = settings.sizes();
      QuestionTask task =
          new QuestionTask(plan, sizes.hidden(), sizes.visualWidth(), settings.seed());
      List<Double> losses = new ArrayList<>();
      List<Double> accuracies = new ArrayList<>();
      long begin = System.nanoTime();
      try (RankLayers layers = RankLayers.open(group, sizes, plan, Strategy.QUERY_RING);
          LayerStack stack = new LayerStack(layers, sizes.layers());
          Parameters parameters =
              Parameters.allocate(device, settings.dtype().accumulator(), shapes());
          Gradients gradients = Gradients.zeros(device, settings.dtype(), shapes());
          Optimizer optimizer = new Optimizer(settings.rule(), parameters.tensors())) {
        Initial.fill(parameters, settings.seed());
        for (int i = 0; i < settings.steps(); i++) {
          gradients.clear();
          double[] sums = backward(stack, parameters, gradients, task.batch(i));
          gradients.allReduce(group);
          optimizer.step(gradients.tensors(), rate(gradients));
          losses.add(sums[0]);
          accuracies.add(sums[1] / (plan.batch() * task.patterns()));
          step.run();
        }
      }
      int last = Math.ceilDiv(settings.steps(), 10);
      double accuracy =
          accuracies.subList(settings.steps() - last, settings.steps()).stream()
              .mapToDouble(Double::doubleValue)
              .average()
              .orElse(Double.NaN);
      return new Outcome(losses, accuracy, (System.nanoTime() - begin) * 1e-9);
    }

    /**
     * Gradient clipping: the learning rate is reduced if the gradient's norm is large, so that one
     * unusual batch does little harm.
     */
    private double rate(Gradients gradients) {
      double squares = 0;
      for (Tensor gradient : gradients.tensors().values()) {
        for (double x : gradient.toDoubles()) {
          squares += x * x;
        }
      }
      return settings.rule().learningRate() / Math.max(1, Math.sqrt(squares));
    }

    private SequencedMap<String, long[]> shapes() {
      SequencedMap<String, long[]> shapes =
          new LinkedHashMap<>(LayerStack.parameterShapes(settings.sizes()));
      shapes.put(HEAD, new long[] {plan.frames(), settings.sizes().hidden()});
      return shapes;
    }

    /**
     * Accumulates this rank's gradients; returns loss and number of correct answers over all ranks.
     */
    private double[] backward(
        LayerStack stack, Parameters parameters, Gradients gradients, QuestionTask.Batch batch) {
      DType dtype = settings.dtype();
      try (TensorScope open = new TensorScope(device);
          VisualCheckpoint features = checkpoint(batch)) {
        Tensor x = open.allocate(dtype, plan.batch(), text.rows(), settings.sizes().hidden());
        batch.fillText(x, text);
        Tensor out = stack.forward(parameters, x, features);
        Tensor logits = open.allocate(dtype, plan.batch(), text.rows(), plan.frames());
        Tensor head = parameters.get(HEAD);
        LayerOperations.linear(out, head, null, logits);
        CrossEntropy loss = new CrossEntropy(logits.toDoubles(), plan, text, batch);
        logits.copyFrom(loss.gradient());
        Tensor d = open.allocate(dtype, x.shape());
        LayerOperations.linearBackward(out, head, logits, d, false, gradients.get(HEAD), null);
        stack.backward(d, gradients);
        Tensor sums = open.allocate(DType.FLOAT64, 2);
        group.allReduce(sums.copyFrom(new double[] {loss.loss(), loss.correct()}));
        return sums.toDoubles();
      }
    }

    private VisualCheckpoint checkpoint(QuestionTask.Batch batch) {
      Tensor features =
          Tensor.allocate(
              device,
              settings.dtype(),
              visual.sequences(),
              visual.rows(),
              settings.sizes().visualWidth());
      batch.fillFeatures(features, visual);
      return VisualCheckpoint.builder(group, features)
          .closeFeatures()
          .policy(settings.policy())
          .tileRows(settings.tileRows())
          .frozen()
          .build();
    }
  }
}
