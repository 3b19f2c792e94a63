// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.layer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Operation;
import org.lvxattn.internal.Closing;
import org.lvxattn.testing.Seeds;

/** A call of a layer operation whose tensors can be exchanged by name. */
final class LayerCall implements AutoCloseable {
  static final int BATCH = 2;
  static final int ROWS = 3;
  static final int WIDTH = 8;
  static final int OUT = 6;

  private static final double MARK = -77;

  /** The operation, with a tensor for each name. */
  interface Operation {
    void call(Function<String, Tensor> tensor);
  }

  private final Device device;
  private final DType dtype;
  private final String name;
  private final Operation operation;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final Set<String> outputs = new HashSet<>();
  private final Set<String> optional = new HashSet<>();
  private final Random random = Seeds.random(5);

  private LayerCall(Device device, DType dtype, String name, Operation operation) {
    this.device = device;
    this.dtype = dtype;
    this.name = name;
    this.operation = operation;
  }

  /** A valid call of each operation; a question mark stands for a tensor that may be absent. */
  static List<LayerCall> all(Device device, DType dtype) {
    List<LayerCall> calls = new ArrayList<>();
    Function<String, Builder> named =
        name ->
            operation -> {
              LayerCall call = new LayerCall(device, dtype, name, operation);
              calls.add(call);
              return call;
            };
    named
        .apply("linear")
        .of(t -> LayerOperations.linear(t.apply("x"), t.apply("w"), t.apply("b"), t.apply("y")))
        .rows("x")
        .parameter("w", OUT, WIDTH)
        .parameter("b?", OUT)
        .output("y", BATCH, ROWS, OUT);
    named
        .apply("linearBackward")
        .of(
            t ->
                LayerOperations.linearBackward(
                    t.apply("x"),
                    t.apply("w"),
                    t.apply("dy"),
                    t.apply("dx"),
                    false,
                    t.apply("dw"),
                    t.apply("db")))
        .rows("x")
        .parameter("w", OUT, WIDTH)
        .input("dy", BATCH, ROWS, OUT)
        .output("dx?", BATCH, ROWS, WIDTH)
        .sum("dw?", OUT, WIDTH)
        .sum("db?", OUT);
    named
        .apply("norm")
        .of(
            t ->
                LayerOperations.norm(
                    Norm.LAYER,
                    1e-5,
                    t.apply("x"),
                    t.apply("weight"),
                    t.apply("bias"),
                    t.apply("y")))
        .heads("x")
        .parameter("weight", WIDTH)
        .parameter("bias?", WIDTH)
        .output("y", BATCH, ROWS, 2, WIDTH);
    named
        .apply("normBackward")
        .of(
            t ->
                LayerOperations.normBackward(
                    Norm.LAYER,
                    1e-5,
                    t.apply("x"),
                    t.apply("weight"),
                    t.apply("dy"),
                    t.apply("dx"),
                    false,
                    t.apply("dWeight"),
                    t.apply("dBias")))
        .rows("x")
        .parameter("weight", WIDTH)
        .rows("dy")
        .output("dx?", BATCH, ROWS, WIDTH)
        .sum("dWeight?", WIDTH)
        .sum("dBias?", WIDTH);
    named
        .apply("rotary")
        .of(
            t ->
                LayerOperations.rotary(
                    1e4, false, t.apply("x"), t.apply("positions"), t.apply("y")))
        .heads("x")
        .integers("positions")
        .output("y", BATCH, ROWS, 2, WIDTH);
    named
        .apply("swiglu")
        .of(t -> LayerOperations.swiglu(t.apply("gate"), t.apply("up"), t.apply("y")))
        .rows("gate")
        .rows("up")
        .output("y", BATCH, ROWS, WIDTH);
    named
        .apply("swigluBackward")
        .of(
            t ->
                LayerOperations.swigluBackward(
                    t.apply("gate"),
                    t.apply("up"),
                    t.apply("dy"),
                    t.apply("dGate"),
                    t.apply("dUp")))
        .rows("gate")
        .rows("up")
        .rows("dy")
        .output("dGate", BATCH, ROWS, WIDTH)
        .output("dUp", BATCH, ROWS, WIDTH);
    named
        .apply("gelu")
        .of(t -> LayerOperations.gelu(t.apply("x"), t.apply("y")))
        .rows("x")
        .output("y", BATCH, ROWS, WIDTH);
    named
        .apply("geluBackward")
        .of(t -> LayerOperations.geluBackward(t.apply("x"), t.apply("dy"), t.apply("dx")))
        .rows("x")
        .rows("dy")
        .output("dx", BATCH, ROWS, WIDTH);
    named
        .apply("gatedAdd")
        .of(
            t ->
                LayerOperations.gatedAdd(
                    t.apply("x"),
                    t.apply("branch"),
                    t.apply("gate"),
                    t.apply("live"),
                    t.apply("y")))
        .rows("x")
        .rows("branch")
        .parameter("gate?", 1)
        .integers("live?")
        .output("y", BATCH, ROWS, WIDTH);
    named
        .apply("gatedAddBackward")
        .of(
            t ->
                LayerOperations.gatedAddBackward(
                    t.apply("branch"),
                    t.apply("gate"),
                    t.apply("live"),
                    t.apply("dy"),
                    t.apply("dBranch"),
                    t.apply("dGate")))
        .rows("branch")
        .parameter("gate", 1)
        .integers("live?")
        .rows("dy")
        .output("dBranch", BATCH, ROWS, WIDTH)
        .sum("dGate?", 1);
    named
        .apply("blend")
        .of(
            t ->
                LayerOperations.blend(
                    t.apply("a"), t.apply("b"), t.apply("gate"), t.apply("live"), t.apply("y")))
        .rows("a")
        .rows("b")
        .parameter("gate", WIDTH)
        .integers("live?")
        .output("y", BATCH, ROWS, WIDTH);
    named
        .apply("blendBackward")
        .of(
            t ->
                LayerOperations.blendBackward(
                    t.apply("a"),
                    t.apply("b"),
                    t.apply("gate"),
                    t.apply("live"),
                    t.apply("dy"),
                    t.apply("da"),
                    t.apply("db"),
                    t.apply("dGate")))
        .rows("a")
        .rows("b")
        .parameter("gate", WIDTH)
        .integers("live?")
        .rows("dy")
        .output("da", BATCH, ROWS, WIDTH)
        .output("db", BATCH, ROWS, WIDTH)
        .sum("dGate?", WIDTH);
    named
        .apply("add")
        .of(t -> LayerOperations.add(t.apply("x"), t.apply("y")))
        .rows("x")
        .output("y", BATCH, ROWS, WIDTH);
    named
        .apply("clearRows")
        .of(t -> LayerOperations.clearRows(t.apply("live"), t.apply("x")))
        .integers("live")
        .output("x", BATCH, ROWS, WIDTH);
    return calls;
  }

  private interface Builder {
    LayerCall of(Operation operation);
  }

  private LayerCall rows(String tensor) {
    return input(tensor, BATCH, ROWS, WIDTH);
  }

  private LayerCall heads(String tensor) {
    return input(tensor, BATCH, ROWS, 2, WIDTH);
  }

  private LayerCall parameter(String tensor, long... shape) {
    return input(tensor, shape);
  }

  private LayerCall integers(String tensor) {
    put(tensor, DType.INT32, BATCH, ROWS).copyFrom(new int[] {1, 0, 2, 1, 1, 0});
    return this;
  }

  private LayerCall input(String tensor, long... shape) {
    Tensor made = put(tensor, dtype, shape);
    made.copyFrom(random.doubles(made.elements(), -1, 1).toArray());
    return this;
  }

  private LayerCall output(String tensor, long... shape) {
    put(tensor, dtype, shape);
    outputs.add(plain(tensor));
    return this;
  }

  private LayerCall sum(String tensor, long... shape) {
    put(tensor, dtype.accumulator(), shape);
    outputs.add(plain(tensor));
    return this;
  }

  private Tensor put(String tensor, DType type, long... shape) {
    if (tensor.endsWith("?")) {
      optional.add(plain(tensor));
    }
    Tensor made = Tensor.allocate(device, type, shape);
    tensors.put(plain(tensor), made);
    return made;
  }

  private static String plain(String tensor) {
    return tensor.endsWith("?") ? tensor.substring(0, tensor.length() - 1) : tensor;
  }

  List<String> names() {
    return List.copyOf(tensors.keySet());
  }

  Tensor tensor(String tensor) {
    Tensor found = tensors.get(tensor);
    if (found == null) {
      throw new IllegalArgumentException(name + " has no " + tensor);
    }
    return found;
  }

  boolean isOutput(String tensor) {
    return outputs.contains(tensor);
  }

  boolean mayBeNull(String tensor) {
    return optional.contains(tensor);
  }

  /** Runs the call with another tensor for the given name. */
  @SuppressWarnings("NullAway") // null where none may be is one of the mistakes to be tried
  void with(String tensor, @Nullable Tensor other) {
    operation.call(wanted -> wanted.equals(tensor) ? other : tensor(wanted));
  }

  void run() {
    operation.call(this::tensor);
  }

  /** Fills the outputs with a number that no computation produces. */
  void mark() {
    for (String output : outputs) {
      double[] marks = new double[(int) tensor(output).elements()];
      Arrays.fill(marks, MARK);
      tensor(output).copyFrom(marks);
    }
  }

  /** Whether the outputs still hold the number of {@link #mark}. */
  boolean isUntouched() {
    return outputs.stream()
        .allMatch(
            output -> Arrays.stream(tensor(output).toDoubles()).allMatch(value -> value == MARK));
  }

  @Override
  public void close() {
    Closing.closeAll(tensors.values().toArray(Tensor[]::new));
  }

  @Override
  public String toString() {
    return name + " of " + dtype;
  }
}
