// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.ForeignArray.Description;
import org.lvxattn.group.Group;
import org.lvxattn.testing.Seeds;

/**
 * Closes foreign arrays, tensors of them and their exports in random orders, with calls in between.
 * The arrays' memory is unmapped at its end, so that a call that used it later would end the JVM.
 */
@Timeout(300)
class ForeignOrderTest {
  private static final int ORDERS = 1000;

  private final Random random = Seeds.random(5);

  /** How the tensor came to the memory. */
  private enum Way {
    UNVERSIONED,
    VERSIONED,
    SEGMENT,
    BUFFER,
    /** Memory that the framework frees at once. */
    CLOSED_AT_ONCE
  }

  private enum Step {
    CLOSE_ARRAY,
    CLOSE_TENSOR,
    CALL,
    CALL_AGAIN,
    CALL_VIEW,
    COMPUTE,
    EXPORT,
    READ_EXPORT,
    DELETE_EXPORT
  }

  /** One array and everything that holds it. */
  private final class Order {
    private final Way way = Way.values()[random.nextInt(Way.values().length)];
    private final float value = 1 + random.nextInt(1000);
    private final ForeignArray array = new ForeignArray();
    private final Tensor tensor;
    private final Tensor view;
    private final Group group;
    private boolean arrayClosed;
    private boolean tensorClosed;
    private DLPackConsumer consumer;

    Order(Group group) {
      this.group = group;
      for (int i = 0; i < 1024; i++) {
        array.data.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
      }
      this.tensor = tensor(group.device());
      this.view = tensor.slice(1, 1, 3);
    }

    private Tensor tensor(Device device) {
      long[] shape = {1, 8, 2, 16};
      Description description = Description.of(DType.FLOAT32, shape);
      if (way == Way.SEGMENT || way == Way.BUFFER) {
        array.retain();
      }
      return switch (way) {
        case UNVERSIONED -> Tensor.fromDLPack(device, array.lend(description));
        case VERSIONED ->
            Tensor.fromDLPackVersioned(device, array.lendVersioned(description, 1, 0));
        case SEGMENT ->
            Tensor.wrap(device, array.unchecked(), DType.FLOAT32, shape, null, array::release);
        case BUFFER ->
            Tensor.wrap(
                device,
                array.unchecked().asByteBuffer(),
                DType.FLOAT32,
                shape,
                null,
                array::release);
        case CLOSED_AT_ONCE ->
            Tensor.wrap(
                device,
                array.unchecked(),
                DType.FLOAT32,
                shape,
                null,
                new MemoryOwner() {
                  @Override
                  public void release() {}

                  @Override
                  public boolean isOpen() {
                    return array.isMapped();
                  }
                });
      };
    }

    private boolean usable() {
      return !tensorClosed && (way != Way.CLOSED_AT_ONCE || !arrayClosed);
    }

    void run(Step step) {
      switch (step) {
        case CLOSE_ARRAY -> {
          array.release();
          arrayClosed = true;
        }
        case CLOSE_TENSOR -> {
          tensor.close();
          tensorClosed = true;
        }
        case CALL, CALL_AGAIN -> call(() -> assertThat(tensor.toFloats()).containsOnly(value));
        case CALL_VIEW -> call(() -> assertThat(view.toFloats()).containsOnly(value));
        case COMPUTE -> call(this::compute);
        // A consumer does not ask before it reads, so memory that may end at once is not exported.
        case EXPORT -> {
          if (way != Way.CLOSED_AT_ONCE && usable()) {
            consumer = new DLPackConsumer(view.toDLPackVersioned(), true);
          }
        }
        case READ_EXPORT -> {
          if (consumer != null) {
            assertThat(consumer.at(0, 1, 1, 15)).isEqualTo(value);
          }
        }
        case DELETE_EXPORT -> {
          if (consumer != null) {
            consumer.delete();
            consumer = null;
          }
        }
      }
    }

    private void call(Runnable use) {
      if (usable()) {
        use.run();
      } else {
        assertThatIllegalStateException().isThrownBy(use::run);
      }
    }

    private void compute() {
      try (Tensor q = Tensor.allocate(group.device(), DType.FLOAT32, 1, 1, 2, 16);
          AttentionForward forward =
              CrossAttention.builder()
                  .heads(2)
                  .keyValueHeads(2)
                  .headDim(16)
                  .build()
                  .forward(group, q, tensor, tensor)) {
        assertThat(forward.output().toFloats()).containsOnly(value);
      }
    }

    /** What the steps left open. */
    void end() {
      if (consumer != null) {
        consumer.delete();
      }
      assertThat(array.isMapped()).isEqualTo(!arrayClosed || (!tensorClosed && usable()));
      if (!tensorClosed) {
        tensor.close();
      }
      if (!arrayClosed) {
        array.release();
      }
      assertThat(array.isMapped()).isFalse();
      boolean lent = way == Way.UNVERSIONED || way == Way.VERSIONED;
      assertThat(array.deleted).hasValue(lent ? 1 : 0);
    }
  }

  @Test
  void noOrderOfClosingEndsTheJvmOrLeaks() {
    long leaks = LeakDetector.leaks();
    int mapped = ForeignArray.MAPPED.get();
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Group group = Group.self(device)) {
      long before = device.bytesInUse();
      for (int i = 0; i < ORDERS; i++) {
        Order order = new Order(group);
        List<Step> steps = new ArrayList<>(List.of(Step.values()));
        Collections.shuffle(steps, random);
        String name = "order " + i + ": " + order.way + " " + steps;
        try {
          // Some orders end early, and leave the rest to the end.
          for (Step step : steps.subList(0, 1 + random.nextInt(steps.size()))) {
            order.run(step);
          }
          order.end();
        } catch (RuntimeException | Error e) {
          throw new AssertionError(name, e);
        }
      }
      assertThat(device.bytesInUse()).isEqualTo(before);
    }
    assertThat(ForeignArray.MAPPED).hasValue(mapped);
    assertThat(ForeignArray.WRONG_CALLS).hasValue(0);
    assertThat(LeakDetector.leaks()).isEqualTo(leaks);
  }
}
