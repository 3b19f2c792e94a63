// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.group.Group;

/** A call of attention, forward or backward, whose tensors can be exchanged by name. */
public final class AttentionCall {
  private static final List<String> MAY_BE_NULL = List.of("visibility", "bias", "dBias");

  private final Group group;
  private final Problem problem;
  private final boolean backward;
  private final Map<String, Tensor> inputs = new LinkedHashMap<>();
  private final Map<String, Tensor> outputs = new LinkedHashMap<>();

  public AttentionCall(Group group, Problem problem, boolean backward) {
    this.group = group;
    this.problem = problem;
    this.backward = backward;
    inputs.put("q", problem.q);
    inputs.put("k", problem.k);
    inputs.put("v", problem.v);
    inputs.put("visibility", problem.visibility);
    inputs.put("bias", problem.bias);
    if (backward) {
      inputs.put("o", problem.o);
      inputs.put("lse", problem.lse);
      inputs.put("dO", problem.dO);
      outputs.put("dq", problem.dq);
      outputs.put("dk", problem.dk);
      outputs.put("dv", problem.dv);
      outputs.put("dBias", problem.dBias);
    } else {
      outputs.put("o", problem.o);
      outputs.put("lse", problem.lse);
    }
  }

  public List<String> names() {
    List<String> names = new ArrayList<>(inputs.keySet());
    names.addAll(outputs.keySet());
    return names;
  }

  public Tensor tensor(String name) {
    Tensor input = inputs.get(name);
    return input != null ? input : outputs.getOrDefault(name, problem.o);
  }

  public boolean isOutput(String name) {
    return outputs.containsKey(name);
  }

  public boolean mayBeNull(String name) {
    return MAY_BE_NULL.contains(name);
  }

  /** Runs the call with another tensor for the given name. */
  @SuppressWarnings("NullAway") // null where none may be is one of the mistakes to be tried
  public void with(String name, @Nullable Tensor tensor) {
    Map<String, @Nullable Tensor> all = new LinkedHashMap<>(inputs);
    all.putAll(outputs);
    all.put(name, tensor);
    Mask mask = Mask.none();
    Tensor visibility = all.get("visibility");
    if (visibility != null) {
      mask = Mask.visible(visibility);
    }
    Tensor bias = all.get("bias");
    if (bias != null) {
      mask = mask.withBias(bias);
    }
    CrossAttention attention = problem.attention;
    Statistics statistics = problem.statistics;
    if (backward) {
      attention.backwardInto(
          group,
          new AttentionInputs(all.get("q"), all.get("k"), all.get("v"), mask),
          new AttentionOutputs(all.get("o"), all.get("lse")),
          all.get("dO"),
          new GradientOutputs(all.get("dq"), all.get("dk"), all.get("dv"), all.get("dBias")),
          statistics);
    } else {
      attention.forwardInto(
          group,
          new AttentionInputs(all.get("q"), all.get("k"), all.get("v"), mask),
          new AttentionOutputs(all.get("o"), all.get("lse")),
          statistics);
    }
  }

  /** Runs the valid call. */
  public void run() {
    with("q", problem.q);
  }

  /** Fills the outputs with a number that no computation produces. */
  public void mark() {
    for (Tensor output : outputs.values()) {
      double[] marks = new double[(int) output.elements()];
      Arrays.fill(marks, -77);
      output.copyFrom(marks);
    }
  }

  /** Whether the outputs still hold the number of {@link #mark}. */
  public boolean isUntouched() {
    for (Tensor output : outputs.values()) {
      for (double element : output.toDoubles()) {
        if (element != -77) {
          return false;
        }
      }
    }
    return true;
  }
}
