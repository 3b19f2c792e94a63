// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.group.Group;
import org.lvxattn.testing.Seeds;
import org.lvxattn.visual.KeyValueCache;

/** Keys and values in memory once, for threads and devices of any number. */
@Timeout(300)
class SharedKeyValuesTest {
  private static final int KEYS = 40;
  private static final CrossAttention ATTENTION =
      CrossAttention.builder().heads(4).keyValueHeads(2).headDim(8).build();

  private final Random random = Seeds.random(71);
  private final float[] k = floats(KEYS * 2 * 8);
  private final float[] v = floats(KEYS * 2 * 8);

  private float[] floats(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static Device device() {
    return Device.cpu(CpuOptions.builder().threads(1).build());
  }

  private SharedKeyValues share(Device device) {
    try (Tensor key = Tensor.of(device, DType.FLOAT32, k, 1, KEYS, 2, 8);
        Tensor value = Tensor.of(device, DType.FLOAT32, v, 1, KEYS, 2, 8)) {
      return SharedKeyValues.of(key, value);
    }
  }

  private static float[] attend(Device device, Tensor key, Tensor value, float[] queries) {
    try (Group group = Group.self(device);
        Tensor q = Tensor.of(device, DType.FLOAT32, queries, 1, 3, 4, 8);
        AttentionForward forward = ATTENTION.forward(group, q, key, value)) {
      return forward.output().toFloats();
    }
  }

  @Test
  void everyThreadReadsThemOnItsOwnDevice() throws Exception {
    float[] queries = floats(3 * 4 * 8);
    float[] expected;
    try (Device device = device();
        Tensor key = Tensor.of(device, DType.FLOAT32, k, 1, KEYS, 2, 8);
        Tensor value = Tensor.of(device, DType.FLOAT32, v, 1, KEYS, 2, 8)) {
      expected = attend(device, key, value, queries);
    }
    try (Device home = device();
        SharedKeyValues shared = share(home);
        ExecutorService threads = Executors.newFixedThreadPool(4)) {
      List<Future<float[]>> results = new ArrayList<>();
      for (int i = 0; i < 16; i++) {
        Callable<float[]> task =
            () -> {
              try (Device own = device();
                  KeyValues local = shared.on(own)) {
                assertThat(local.key().segment().address())
                    .as("no copy")
                    .isEqualTo(shared.address());
                assertThat(local.key().isReadOnly()).isTrue();
                return attend(own, local.key(), local.value(), queries);
              }
            };
        results.add(threads.submit(task));
      }
      for (Future<float[]> result : results) {
        assertThat(result.get()).containsExactly(expected);
      }
      assertThat(shared.uses()).isZero();
    }
  }

  @Test
  void closingWhileInUseIsRefused() {
    try (Device home = device();
        Device other = device()) {
      SharedKeyValues shared = share(home);
      KeyValues local = shared.on(other);
      SharedKeyValues.Hold hold = shared.hold();
      assertThatIllegalStateException()
          .isThrownBy(shared::close)
          .withMessageContaining("in use 2 times");
      local.close();
      local.close();
      assertThatIllegalStateException()
          .isThrownBy(shared::close)
          .withMessageContaining("in use once");
      assertThatIllegalStateException().isThrownBy(home::close).withMessageContaining("shared");
      hold.close();
      hold.close();
      shared.close();
      shared.close();
      assertThatIllegalStateException()
          .isThrownBy(() -> shared.on(other))
          .withMessageContaining("were closed");
      assertThat(home.bytesInUse()).isZero();
    }
  }

  @Test
  void cachesOfLayersAreSharedAndMadeOfShared() {
    try (Device home = device();
        Device other = device();
        SharedKeyValues shared = share(home)) {
      try (KeyValueCache cache = KeyValueCache.of(shared.on(other))) {
        assertThat(cache.key().toFloats()).containsExactly(k);
        try (SharedKeyValues again = SharedKeyValues.of(cache.key(), cache.value())) {
          assertThat(again.keys()).isEqualTo(KEYS);
          assertThat(again.address()).isEqualTo(shared.address());
        }
      }
      assertThat(shared.uses()).isZero();
    }
  }

  @Test
  void wrongTensorsAreRefused() {
    try (Device device = device();
        Device other = device();
        Arena arena = Arena.ofConfined();
        Tensor key = Tensor.allocate(device, DType.FLOAT32, 1, 5, 2, 8);
        Tensor elsewhere = Tensor.allocate(other, DType.FLOAT32, 1, 5, 2, 8);
        Tensor shorter = Tensor.allocate(device, DType.FLOAT32, 1, 4, 2, 8);
        Tensor flat = Tensor.allocate(device, DType.FLOAT32, 5, 16);
        Tensor wrapped =
            Tensor.wrap(device, arena.allocate(320), DType.FLOAT32, new long[] {1, 5, 2, 8}, null)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> SharedKeyValues.of(key, elsewhere))
          .withMessageStartingWith("value is");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> SharedKeyValues.of(key, shorter))
          .withMessageContaining("[1, 5, 2, 8] like key was expected");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> SharedKeyValues.of(flat, flat))
          .withMessageContaining("[batch, keys, keyValueHeads, headDim]");
      assertThatIllegalStateException()
          .isThrownBy(() -> SharedKeyValues.of(wrapped, key))
          .withMessageContaining("without an owner");
    }
  }
}
