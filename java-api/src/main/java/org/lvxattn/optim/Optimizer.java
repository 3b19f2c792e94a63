// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.optim;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Preconditions;

/**
 * Updates named parameters in-place by their gradients, on the host in Java. Parameters of a GPU
 * are copied to the host and back.
 *
 * <p>With several ranks, each rank has an optimizer for its own copy of the parameters. Sum the
 * gradients over the ranks before each step, so that all ranks apply the same gradients and the
 * copies stay bitwise equal. The optimizer owns its state (float64 for float64 parameters, float32
 * for others), but not the parameters. Only the thread that owns their device may use it. Close it
 * before the device.
 */
public final class Optimizer implements AutoCloseable {
  private static final String MOMENTUM = "momentum";
  private static final String FIRST_MOMENT = "exp_avg";
  private static final String SECOND_MOMENT = "exp_avg_sq";

  private final UpdateRule rule;
  private final Map<String, Tensor> parameters;

  /** By name: the parameter's name, a dot, and the name of the state. */
  private final Map<String, Tensor> state = new LinkedHashMap<>();

  private long steps;
  private boolean closed;

  /**
   * Allocates the state for the first step.
   *
   * @param rule how to update
   * @param parameters by name: float64 or float32, compact, writable; the caller owns them
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if a parameter has another dtype, or is strided or read-only
   * @throws IllegalStateException if a parameter was closed
   * @throws WrongThreadException if another thread owns a parameter's device
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or a device's budget does not suffice
   */
  public Optimizer(UpdateRule rule, Map<String, Tensor> parameters) {
    this.rule = Preconditions.present(rule, "rule");
    this.parameters = Collections.unmodifiableMap(new LinkedHashMap<>(parameters));
    this.parameters.forEach(Optimizer::requireUsable);
    try {
      this.parameters.forEach(this::remember);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private static void requireUsable(String name, Tensor parameter) {
    Numbers.requireFitting(parameter, "parameter \"" + name + "\"");
    if (parameter.isReadOnly()) {
      throw new IllegalArgumentException(
          "parameter \""
              + name
              + "\" wraps a read-only segment; one that can be written was"
              + " expected");
    }
  }

  private void remember(String name, Tensor parameter) {
    for (String part : stateNames()) {
      Tensor zeros =
          Tensor.allocate(parameter.device(), parameter.dtype().accumulator(), parameter.shape());
      state.put(name + '.' + part, zeros);
    }
  }

  private List<String> stateNames() {
    return switch (rule) {
      case Sgd sgd -> sgd.momentum() == 0 ? List.of() : List.of(MOMENTUM);
      case Adam adam -> List.of(FIRST_MOMENT, SECOND_MOMENT);
    };
  }

  /**
   * Updates every parameter once, at the rule's learning rate.
   *
   * @param gradients one for each parameter, of its name and shape; float64 or float32, compact
   * @throws NullPointerException if gradients is null
   * @throws IllegalArgumentException if a gradient is missing, has no parameter, or does not fit
   *     its parameter; no parameter is changed then
   * @throws IllegalStateException if this, a parameter or a gradient was closed
   * @throws WrongThreadException if another thread owns a parameter's device
   */
  public void step(Map<String, Tensor> gradients) {
    step(gradients, rule.learningRate());
  }

  /**
   * Updates every parameter once, at the given learning rate, for learning-rate schedules.
   *
   * @param gradients as in {@link #step(Map)}
   * @param learningRate 0 or more
   * @throws NullPointerException if gradients is null
   * @throws IllegalArgumentException as in {@link #step(Map)}, or if learningRate is negative or
   *     not finite
   * @throws IllegalStateException if this, a parameter or a gradient was closed
   * @throws WrongThreadException if another thread owns a parameter's device
   */
  public void step(Map<String, Tensor> gradients, double learningRate) {
    Preconditions.finiteNonNegative(learningRate, "learningRate");
    requireOpen();
    gradients.forEach(this::requireFitting);
    for (String name : parameters.keySet()) {
      if (!gradients.containsKey(name)) {
        throw new IllegalArgumentException("parameter \"" + name + "\" has no gradient");
      }
    }
    steps++;
    gradients.forEach((name, gradient) -> update(name, gradient, learningRate));
  }

  private void requireFitting(String name, Tensor gradient) {
    Tensor parameter = parameters.get(name);
    if (parameter == null) {
      throw new IllegalArgumentException(
          "gradient \"" + name + "\" has no parameter; expected those of " + parameters.keySet());
    }
    if (!Arrays.equals(gradient.shape(), parameter.shape())) {
      throw new IllegalArgumentException(
          "gradient \""
              + name
              + "\" is "
              + gradient
              + "; the shape of "
              + parameter
              + " was expected");
    }
    Numbers.requireFitting(gradient, "gradient \"" + name + "\"");
    Numbers.requireFitting(parameter, "parameter \"" + name + "\"");
  }

  private void update(String name, Tensor gradient, double rate) {
    try (Numbers p = Numbers.updating(Objects.requireNonNull(parameters.get(name)));
        Numbers g = Numbers.reading(gradient)) {
      switch (rule) {
        case Sgd sgd when sgd.momentum() == 0 -> sgd.update(p, g, rate);
        case Sgd sgd -> {
          try (Numbers momentum = remembered(name, MOMENTUM)) {
            sgd.update(p, g, momentum, rate);
            momentum.commit();
          }
        }
        case Adam adam -> {
          try (Numbers first = remembered(name, FIRST_MOMENT);
              Numbers second = remembered(name, SECOND_MOMENT)) {
            adam.update(p, g, first, second, steps, rate);
            first.commit();
            second.commit();
          }
        }
      }
      p.commit();
    }
  }

  private Numbers remembered(String name, String part) {
    return Numbers.updating(Objects.requireNonNull(state.get(name + '.' + part)));
  }

  /** Number of steps so far. */
  public long steps() {
    return steps;
  }

  /**
   * The state, for saving and restoring. For each parameter it has {@code NAME.momentum} (SGD with
   * momentum), or {@code NAME.exp_avg} and {@code NAME.exp_avg_sq} (Adam). To restore it, fill the
   * tensors by {@link Tensor#copyFrom} and call {@link #resume}. The optimizer owns the tensors.
   *
   * @throws IllegalStateException if this was closed
   */
  public Map<String, Tensor> state() {
    requireOpen();
    return Collections.unmodifiableMap(state);
  }

  /**
   * Continues from a restored state, after the given number of steps.
   *
   * @throws IllegalArgumentException if steps is negative
   */
  public void resume(long steps) {
    if (steps < 0) {
      throw new IllegalArgumentException("steps is " + steps + "; 0 or more was expected");
    }
    this.steps = steps;
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("the optimizer was closed; an open one was expected");
    }
  }

  /**
   * Frees the state. Closing twice does nothing.
   *
   * @throws WrongThreadException if another thread owns a parameter's device
   */
  @Override
  public void close() {
    state.values().forEach(Tensor::close);
    state.clear();
    closed = true;
  }
}
