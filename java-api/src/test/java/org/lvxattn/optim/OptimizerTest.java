// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.testing.Seeds;

class OptimizerTest {
  private static final int STEPS = 20;

  private Device device;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
  }

  @AfterEach
  void close() {
    device.close();
  }

  /** A reference for one parameter, written independently from the papers. */
  private interface Reference {
    double step(double parameter, double gradient, int step);
  }

  /** Gradients do not depend on the parameters, so that errors cannot cancel. */
  private void compare(UpdateRule rule, DType dtype, Reference[] references, double tolerance) {
    int count = references.length;
    Random random = Seeds.random(7);
    double[] expected = random.doubles(count, -1, 1).toArray();
    try (Tensor parameter = Tensor.allocate(device, dtype, count).copyFrom(expected);
        Tensor gradient = Tensor.allocate(device, dtype, count);
        Optimizer optimizer = new Optimizer(rule, Map.of("w", parameter))) {
      expected = parameter.toDoubles();
      for (int step = 1; step <= STEPS; step++) {
        gradient.copyFrom(random.doubles(count, -1, 1).toArray());
        double[] g = gradient.toDoubles();
        for (int i = 0; i < count; i++) {
          expected[i] = references[i].step(expected[i], g[i], step);
        }
        optimizer.step(Map.of("w", gradient));
        assertThat(parameter.toDoubles()).containsExactly(expected, within(tolerance));
      }
      assertThat(optimizer.steps()).isEqualTo(STEPS);
    }
  }

  private static final class Momentum implements Reference {
    private final double rate;
    private final double momentum;
    private final double decay;
    private double velocity;

    Momentum(double rate, double momentum, double decay) {
      this.rate = rate;
      this.momentum = momentum;
      this.decay = decay;
    }

    @Override
    public double step(double parameter, double gradient, int step) {
      double withDecay = gradient + decay * parameter;
      velocity = step == 1 ? withDecay : momentum * velocity + withDecay;
      return parameter - rate * velocity;
    }
  }

  /** The moments as sums over all gradients, not by recursion. */
  private static final class Moments implements Reference {
    private final Adam adam;
    private final double[] gradients = new double[STEPS];

    Moments(Adam adam) {
      this.adam = adam;
    }

    @Override
    public double step(double parameter, double gradient, int step) {
      double decay = adam.weightDecay() * parameter;
      gradients[step - 1] = gradient + (adam.decoupled() ? 0 : decay);
      double m = 0;
      double v = 0;
      for (int i = 0; i < step; i++) {
        int age = step - 1 - i;
        m += (1 - adam.beta1()) * Math.pow(adam.beta1(), age) * gradients[i];
        v += (1 - adam.beta2()) * Math.pow(adam.beta2(), age) * gradients[i] * gradients[i];
      }
      m /= 1 - Math.pow(adam.beta1(), step);
      v /= 1 - Math.pow(adam.beta2(), step);
      double shrunk = parameter - (adam.decoupled() ? adam.learningRate() * decay : 0);
      return shrunk - adam.learningRate() * m / (Math.sqrt(v) + adam.epsilon());
    }
  }

  @Test
  void descendsAsThePapersSay() {
    Reference[] plain = {new Momentum(0.1, 0, 0), new Momentum(0.1, 0, 0)};
    compare(new Sgd(0.1), DType.FLOAT64, plain, 1e-14);
    Reference[] heavy = {new Momentum(0.1, 0.9, 0.01), new Momentum(0.1, 0.9, 0.01)};
    compare(new Sgd(0.1, 0.9, 0.01), DType.FLOAT64, heavy, 1e-13);
    Adam adam = new Adam(0.05);
    compare(adam, DType.FLOAT64, new Reference[] {new Moments(adam), new Moments(adam)}, 1e-12);
    Adam coupled = new Adam(0.05, 0.8, 0.95, 1e-6, 0.1, false);
    compare(
        coupled,
        DType.FLOAT64,
        new Reference[] {new Moments(coupled), new Moments(coupled)},
        1e-12);
    Adam decoupled = Adam.withDecoupledDecay(0.05, 0.1);
    compare(
        decoupled,
        DType.FLOAT64,
        new Reference[] {new Moments(decoupled), new Moments(decoupled)},
        1e-12);
  }

  @Test
  void float32IsUpdatedInItsOwnMemory() {
    Adam adam = new Adam(0.05);
    compare(adam, DType.FLOAT32, new Reference[] {new Moments(adam), new Moments(adam)}, 1e-5);
    Reference[] heavy = {new Momentum(0.1, 0.9, 0.01), new Momentum(0.1, 0.9, 0.01)};
    compare(new Sgd(0.1, 0.9, 0.01), DType.FLOAT32, heavy, 1e-5);
  }

  @Test
  void theFirstAdamStepIsTheLearningRate() {
    try (Tensor parameter = Tensor.allocate(device, DType.FLOAT64, 2);
        Tensor gradient =
            Tensor.allocate(device, DType.FLOAT64, 2).copyFrom(new double[] {1e-3, -1e3});
        Optimizer optimizer = new Optimizer(new Adam(0.01), Map.of("w", parameter))) {
      optimizer.step(Map.of("w", gradient));
      assertThat(parameter.toDoubles()).containsExactly(new double[] {-0.01, 0.01}, within(1e-6));
      optimizer.step(Map.of("w", gradient), 0);
      assertThat(parameter.toDoubles()).containsExactly(new double[] {-0.01, 0.01}, within(1e-6));
    }
  }

  @Test
  void goesOnFromASavedState() {
    try (Tensor parameter = Tensor.allocate(device, DType.FLOAT64, 3);
        Tensor copy = Tensor.allocate(device, DType.FLOAT64, 3);
        Tensor gradient =
            Tensor.allocate(device, DType.FLOAT64, 3).copyFrom(new double[] {1, -2, 0.5});
        Optimizer first = new Optimizer(new Adam(0.01), Map.of("w", parameter));
        Optimizer second = new Optimizer(new Adam(0.01), Map.of("w", copy))) {
      first.step(Map.of("w", gradient));
      assertThat(first.state().keySet()).containsExactly("w.exp_avg", "w.exp_avg_sq");
      copy.copyFrom(parameter);
      Map<String, Tensor> saved = first.state();
      second
          .state()
          .forEach((name, tensor) -> tensor.copyFrom(Objects.requireNonNull(saved.get(name))));
      second.resume(first.steps());
      first.step(Map.of("w", gradient));
      second.step(Map.of("w", gradient));
      assertThat(copy.toDoubles()).isEqualTo(parameter.toDoubles());
    }
  }

  @Test
  void ownsItsStateAlone() {
    try (Tensor parameter = Tensor.allocate(device, DType.FLOAT32, 100)) {
      long before = device.bytesInUse();
      Optimizer optimizer = new Optimizer(new Adam(1), Map.of("w", parameter));
      assertThat(device.bytesInUse() - before).isEqualTo(2 * 100 * Float.BYTES);
      optimizer.close();
      optimizer.close();
      assertThat(device.bytesInUse()).isEqualTo(before);
      assertThatIllegalStateException().isThrownBy(() -> optimizer.step(Map.of()));
      assertThatIllegalStateException().isThrownBy(optimizer::state);
    }
  }

  @Test
  void refusesWhatDoesNotFit() {
    try (Tensor w = Tensor.allocate(device, DType.FLOAT64, 2, 3).copyFrom(new double[6]);
        Tensor other = Tensor.allocate(device, DType.FLOAT64, 3, 2);
        Tensor half = Tensor.allocate(device, DType.BFLOAT16, 2, 3);
        Optimizer optimizer = new Optimizer(new Sgd(1, 0.5, 0), Map.of("w", w))) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> optimizer.step(Map.of()))
          .withMessageContaining("parameter \"w\" has no gradient");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> optimizer.step(Map.of("w", w, "v", w)))
          .withMessageContaining("gradient \"v\" has no parameter");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> optimizer.step(Map.of("w", other)))
          .withMessageContaining("[3, 2]");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> optimizer.step(Map.of("w", other.permute(1, 0))))
          .withMessageContaining("compact row-major order");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> optimizer.step(Map.of("w", half)))
          .withMessageContaining("float64 or float32");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> optimizer.step(Map.of("w", w), Double.NaN))
          .withMessageContaining("learningRate is NaN");
      assertThat(optimizer.steps()).isZero();
      assertThatIllegalArgumentException()
          .isThrownBy(() -> new Optimizer(new Sgd(1), Map.of("w", half)))
          .withMessageContaining("float32 copy");
      assertThatIllegalArgumentException().isThrownBy(() -> optimizer.resume(-1));
    }
  }

  @Test
  void refusesReadOnlyAndClosedParameters() {
    try (Arena arena = Arena.ofConfined();
        Tensor fixed =
            Tensor.wrap(
                device, arena.allocate(8, 8).asReadOnly(), DType.FLOAT64, new long[] {1}, null)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> new Optimizer(new Sgd(1), Map.of("w", fixed)))
          .withMessageContaining("read-only");
    }
    Tensor closed = Tensor.allocate(device, DType.FLOAT64, 1);
    Map<String, Tensor> parameters = new LinkedHashMap<>(Map.of("w", closed));
    try (Optimizer optimizer = new Optimizer(new Adam(1), parameters)) {
      closed.close();
      assertThatIllegalStateException()
          .isThrownBy(() -> optimizer.step(parameters))
          .withMessageContaining("closed");
    }
  }

  @Test
  void refusesNumbersOutOfRange() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Sgd(0))
        .withMessageContaining("learningRate is 0.0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Sgd(1, 1, 0))
        .withMessageContaining("momentum is 1.0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Sgd(1, 0, -1))
        .withMessageContaining("weightDecay is -1.0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Adam(1, 0.9, Double.NaN, 1e-8, 0, false))
        .withMessageContaining("beta2 is NaN");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Adam(1, 0.9, 0.9, 0, 0, false))
        .withMessageContaining("epsilon is 0.0");
  }
}
