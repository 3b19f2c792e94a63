// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.AttentionInputs;
import org.lvxattn.AttentionOutputs;
import org.lvxattn.CrossAttention;
import org.lvxattn.CudaOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.DeviceFailedException;
import org.lvxattn.GpuProperties;
import org.lvxattn.HostView;
import org.lvxattn.Mask;
import org.lvxattn.OutOfDeviceMemoryException;
import org.lvxattn.PinnedMemory;
import org.lvxattn.Statistics;
import org.lvxattn.Status;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.io.SafetensorsWriter;
import org.lvxattn.io.StoredTensors;
import org.lvxattn.optim.Adam;
import org.lvxattn.optim.Optimizer;

/** The CUDA device from Java: memory, rejected arguments, failures. */
@Tag("cuda")
@Timeout(300)
class CudaDeviceTest {
  private static final int GPU_TO_BE_LOST = 2;

  private Device device;

  @BeforeEach
  void open() {
    device = TestDevice.open();
  }

  @AfterEach
  void everythingWasGivenBack() {
    assertThat(device.bytesInUse()).isZero();
    device.close();
  }

  private static float[] counted(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = i + 0.5f;
    }
    return values;
  }

  @Test
  void saysWhatItIs() {
    assertThat(device.kind()).isEqualTo(Device.Kind.CUDA);
    assertThat(device.ordinal()).isEqualTo(TestDevice.CHOICE.ordinal());
    GpuProperties gpu = device.gpu().orElseThrow();
    assertThat(gpu.computeMajor()).isGreaterThanOrEqualTo(8);
    assertThat(gpu.multiprocessors()).isPositive();
    assertThat(gpu.memoryFree()).isBetween(1L, gpu.memoryTotal());
    assertThat(device.toString()).contains("cuda:" + device.ordinal());
    try (Device cpu = Device.cpu()) {
      assertThat(cpu.gpu()).isEmpty();
      cpu.synchronize();
    }
  }

  @Test
  void refusesOrdinalsThatThereAreNot() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Device.cuda(4321))
        .withMessageContaining("ordinal: expected a GPU from 0 to ")
        .withMessageContaining("got 4321");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Device.cuda(-1))
        .withMessage("ordinal is -1; 0 or more was expected");
  }

  @Test
  void segmentsAreAddressesThatJavaCannotRead() {
    try (Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 4);
        Tensor part = tensor.slice(0, 3, 4)) {
      MemorySegment segment = tensor.segment();
      assertThat(segment.byteSize()).isZero();
      assertThat(part.segment().address()).isEqualTo(segment.address() + 12);
      assertThatExceptionOfType(IndexOutOfBoundsException.class)
          .isThrownBy(() -> segment.get(ValueLayout.JAVA_FLOAT, 0));
      assertThatExceptionOfType(IndexOutOfBoundsException.class)
          .isThrownBy(() -> part.segment().set(ValueLayout.JAVA_FLOAT, 0, 1));
    }
  }

  @Test
  void arraysGoThereAndBackWhateverTheStrides() {
    try (Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 3, 4)) {
      assertThat(tensor.toFloats()).containsOnly(0);
      tensor.copyFrom(counted(12));
      assertThat(tensor.toFloats()).containsExactly(counted(12));
      assertThat(tensor.permute(1, 0).toDoubles()).startsWith(0.5, 4.5, 8.5, 1.5);
      tensor.slice(1, 1, 3).copyFrom(new float[] {-1, -2, -3, -4, -5, -6});
      assertThat(tensor.toFloats())
          .containsExactly(0.5f, -1, -2, 3.5f, 4.5f, -3, -4, 7.5f, 8.5f, -5, -6, 11.5f);
    }
    try (Tensor numbers = Tensor.allocate(device, DType.INT32, 2, 2)) {
      assertThat(numbers.copyFrom(new int[] {1, 2, 3, 4}).toInts()).containsExactly(1, 2, 3, 4);
    }
    try (Tensor none = Tensor.allocate(device, DType.FLOAT32, 0, 4)) {
      assertThat(none.copyFrom(new float[0]).toFloats()).isEmpty();
    }
  }

  @Test
  void tensorsAreCopiedAndConvertedBetweenAndWithinDevices() {
    try (Device cpu = Device.cpu();
        Tensor here = Tensor.allocate(cpu, DType.FLOAT64, 2, 3);
        Tensor there = Tensor.allocate(device, DType.FLOAT32, 2, 3);
        Tensor narrow = Tensor.allocate(device, DType.BFLOAT16, 3, 2);
        Tensor back = Tensor.allocate(cpu, DType.FLOAT32, 3, 2)) {
      here.copyFrom(new double[] {1, 2, 3, 4, 5, 6});
      there.copyFrom(here);
      narrow.copyFrom(there.permute(1, 0)); // by the host: rows are not contiguous
      back.copyFrom(narrow);
      assertThat(back.toFloats()).containsExactly(1, 4, 2, 5, 3, 6);
      narrow.reshape(2, 3).copyFrom(there); // on the device
      assertThat(narrow.toFloats()).containsExactly(1, 2, 3, 4, 5, 6);
      there.slice(1, 0, 2).copyFrom(there.slice(1, 1, 3)); // overlapping
      assertThat(there.toFloats()).containsExactly(2, 3, 3, 5, 6, 6);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> there.copyFrom(back))
          .withMessageContaining("source has shape [3, 2]");
    }
  }

  @Test
  void memoryOfTheHostIsRefusedWithAWayOut() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(16, 16);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> Tensor.wrap(device, host, DType.FLOAT32, new long[] {4}, null))
          .withMessageContaining("Device.cuda computes with memory of its GPU alone")
          .withMessageContaining("copyFrom");
      try (Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 4)) {
        host.setAtIndex(ValueLayout.JAVA_FLOAT, 2, 7);
        assertThat(tensor.copyFrom(host, DType.FLOAT32).toFloats()).containsExactly(0, 0, 7, 0);
        assertThatIllegalArgumentException()
            .isThrownBy(() -> tensor.copyFrom(host.asSlice(0, 8), DType.FLOAT32))
            .withMessageContaining("source has 8 bytes; 16 were expected");
      }
    }
  }

  @Test
  void foreignMemoryOfTheGpuIsUsedWhereItLies() {
    try (Tensor foreign = Tensor.allocate(device, DType.FLOAT32, 2, 3)) {
      MemorySegment address = MemorySegment.ofAddress(foreign.segment().address());
      try (Tensor view =
          Tensor.wrap(device, address, DType.FLOAT32, new long[] {3, 2}, new long[] {1, 3})) {
        foreign.copyFrom(counted(6));
        assertThat(view.toFloats()).containsExactly(0.5f, 3.5f, 1.5f, 4.5f, 2.5f, 5.5f);
        view.slice(0, 0, 1).copyFrom(new float[] {8, 9});
      }
      assertThat(foreign.toFloats()).containsExactly(8, 1.5f, 2.5f, 9, 4.5f, 5.5f);
    }
  }

  @Test
  void copiesWithPinnedMemoryEndWhenTheDeviceIsWaitedFor() {
    try (PinnedMemory memory = PinnedMemory.allocate(device, 64);
        Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 4)) {
      memory.segment().setAtIndex(ValueLayout.JAVA_FLOAT, 1, 5);
      tensor.copyFrom(memory, 0);
      tensor.copyTo(memory, 32);
      device.synchronize();
      assertThat(memory.segment().getAtIndex(ValueLayout.JAVA_FLOAT, 9)).isEqualTo(5);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.copyFrom(memory, 49))
          .withMessageContaining("source has 64 bytes, too few for 16 from offset 49 on");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.reshape(2, 2).permute(1, 0).copyTo(memory, 0))
          .withMessageContaining("compact row-major order was expected");
    }
  }

  @Test
  void outOfMemorySaysWhatWasAskedAndHeldAndCanBeTriedAgain() {
    CudaOptions options =
        CudaOptions.builder().ordinal(TestDevice.CHOICE.ordinal()).memoryBudget(4096).build();
    try (Device small = Device.cuda(options)) {
      Tensor first = Tensor.allocate(small, DType.FLOAT32, 700);
      assertThatExceptionOfType(OutOfDeviceMemoryException.class)
          .isThrownBy(() -> Tensor.allocate(small, DType.FLOAT32, 500))
          .withMessageContaining(
              "cannot allocate 2000 bytes: the device holds 2800 of a budget of 4096");
      first.close();
      Tensor.allocate(small, DType.FLOAT32, 500).close();
      assertThat(small.peakBytes()).isEqualTo(2800);
    }
    assertThatExceptionOfType(OutOfDeviceMemoryException.class)
        .isThrownBy(() -> Tensor.allocate(device, DType.FLOAT32, 1L << 50))
        .withMessageContaining("4503599627370496 bytes");
  }

  @Test
  void whatIsOpenKeepsItOpenAndWhatIsClosedIsRefused() throws InterruptedException {
    Device other = Device.cuda(TestDevice.CHOICE.ordinal());
    Tensor tensor = Tensor.allocate(other, DType.FLOAT32, 4);
    PinnedMemory memory = PinnedMemory.allocate(other, 8);
    assertThatIllegalStateException()
        .isThrownBy(other::close)
        .withMessageContaining("1 tensor and 1 pinned buffer");
    Throwable[] thrown = new Throwable[1];
    Thread wrongThread =
        new Thread(
            () -> {
              try {
                tensor.toFloats();
              } catch (WrongThreadException e) {
                thrown[0] = e;
              }
            });
    wrongThread.start();
    wrongThread.join();
    assertThat(thrown[0]).isInstanceOf(WrongThreadException.class);
    tensor.close();
    memory.close();
    assertThatIllegalStateException().isThrownBy(memory::segment);
    assertThatIllegalStateException().isThrownBy(tensor::toFloats);
    other.close();
    assertThatIllegalStateException().isThrownBy(other::synchronize);
    assertThatIllegalStateException().isThrownBy(() -> Tensor.allocate(other, DType.FLOAT32, 1));
  }

  @Test
  void tensorsOfAnotherDeviceAreRefused() {
    try (Device cpu = Device.cpu();
        Group group = Group.self(device);
        Tensor here = Tensor.allocate(cpu, DType.FLOAT32, 1)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> group.allReduce(here))
          .withMessageContaining("tensor is on another device");
    }
  }

  @Test
  void optimizersUpdateWhatLiesThere() {
    float[] initial = {1, 2, 3};
    float[] slope = {0.5f, -1, 2};
    float[] expected;
    try (Device cpu = Device.cpu()) {
      expected = optimized(cpu, initial, slope);
    }
    assertThat(optimized(device, initial, slope)).containsExactly(expected);
    assertThat(expected).doesNotContain(1, 2, 3);
  }

  private static float[] optimized(Device on, float[] initial, float[] slope) {
    try (Tensor parameter = Tensor.allocate(on, DType.FLOAT32, 3);
        Tensor gradient = Tensor.allocate(on, DType.FLOAT32, 3);
        Optimizer optimizer = new Optimizer(new Adam(0.1), Map.of("p", parameter))) {
      parameter.copyFrom(initial);
      gradient.copyFrom(slope);
      optimizer.step(Map.of("p", gradient));
      optimizer.step(Map.of("p", gradient));
      return parameter.toFloats();
    }
  }

  @Test
  void filesAreReadIntoItAndWrittenFromIt(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("x.safetensors");
    try (Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 2, 3);
        Tensor odd = Tensor.allocate(device, DType.BFLOAT16, 3)) {
      tensor.copyFrom(counted(6));
      odd.copyFrom(new float[] {1, 2, 3});
      SafetensorsWriter.write(file, Map.of(), Map.of("x", tensor.permute(1, 0), "odd", odd));
    }
    try (StoredTensors stored = StoredTensors.open(file);
        Tensor x = stored.tensor("x").load(device, DType.FLOAT64);
        Tensor odd = stored.tensor("odd").load(device, DType.FLOAT32)) {
      assertThat(x.toFloats()).containsExactly(0.5f, 3.5f, 1.5f, 4.5f, 2.5f, 5.5f);
      assertThat(odd.toFloats()).containsExactly(1, 2, 3);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> stored.tensor("x").wrap(device))
          .withMessageContaining("Device.cuda");
    }
  }

  @Test
  void hostViewsWriteNothingUntilTheyAreTold() {
    try (Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 4)) {
      tensor.copyFrom(counted(4));
      try (HostView view = HostView.updating(tensor.slice(0, 1, 2))) {
        assertThat(view.segment().get(ValueLayout.JAVA_FLOAT, 0)).isEqualTo(1.5f);
        view.segment().set(ValueLayout.JAVA_FLOAT, 0, 9);
        assertThat(tensor.toFloats()).containsExactly(counted(4));
        view.commit();
      }
      assertThat(tensor.toFloats()).containsExactly(0.5f, 9, 2.5f, 3.5f);
      try (HostView view = HostView.reading(tensor)) {
        assertThat(view.segment().isReadOnly()).isTrue();
        assertThatThrownBy(view::commit).isInstanceOf(UnsupportedOperationException.class);
      }
    }
  }

  @Test
  void aFaultOfAKernelIsFatalForItsGpuAndSaysSo() {
    assumeTrue(TestDevice.isSimulated(), "would cost a real GPU this process");
    try (Device lost = Device.cuda(GPU_TO_BE_LOST);
        Group group = Group.self(lost)) {
      Tensor q = Tensor.allocate(lost, DType.FLOAT32, 1, 1, 1, 16);
      Tensor o = Tensor.allocate(lost, DType.FLOAT32, 1, 1, 1, 16);
      Tensor lse = Tensor.allocate(lost, DType.FLOAT32, 1, 1, 1);
      Tensor key = Tensor.allocate(lost, DType.FLOAT32, 1, 1, 1, 16);
      // The caller's shape is wrong: there is memory for one key, not for 2000.
      Tensor keys =
          Tensor.wrap(
              lost,
              MemorySegment.ofAddress(key.segment().address()),
              DType.FLOAT32,
              new long[] {1, 2000, 1, 16},
              null);
      CrossAttention.builder()
          .heads(1)
          .keyValueHeads(1)
          .headDim(16)
          .build()
          .forwardInto(
              group,
              new AttentionInputs(q, keys, keys, Mask.none()),
              new AttentionOutputs(o, lse),
              Statistics.create());
      assertThatExceptionOfType(DeviceFailedException.class)
          .isThrownBy(lost::synchronize)
          .withMessageContaining("lost to this process")
          .satisfies(e -> assertThat(e.status()).isEqualTo(Status.DEVICE_ERROR));
      assertThatExceptionOfType(DeviceFailedException.class).isThrownBy(q::toFloats);
      for (Tensor tensor : new Tensor[] {keys, key, q, o, lse}) {
        tensor.close();
      }
    }
    device.synchronize();
  }
}
