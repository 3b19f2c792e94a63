// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.ForeignArray.Description;
import org.lvxattn.bindings.Pointers;
import org.lvxattn.group.Group;

/** DLPack in and out, against a framework that is played in Java. */
@Timeout(120)
class DLPackTest {
  private static final int READ_ONLY = 1;
  private static final int IS_COPIED = 2;

  private long leaks = LeakDetector.leaks();
  private Device device;
  private ForeignArray array;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
    array = new ForeignArray();
  }

  @AfterEach
  void close() {
    assertThat(device.bytesInUse()).isZero();
    device.close();
    array.release();
    assertThat(array.isMapped()).as("nothing holds the array any more").isFalse();
    assertThat(ForeignArray.WRONG_CALLS).hasValue(0);
    assertThat(LeakDetector.leaks()).isEqualTo(leaks);
  }

  private Tensor lent(Description description, boolean versioned) {
    return versioned
        ? Tensor.fromDLPackVersioned(device, array.lendVersioned(description, 1, 0))
        : Tensor.fromDLPack(device, array.lend(description));
  }

  @ParameterizedTest
  @EnumSource
  void everyDtypeIsImportedWithoutACopyAndDeletedOnce(DType dtype) {
    for (boolean versioned : new boolean[] {false, true}) {
      int before = array.deleted.get();
      Tensor tensor = lent(Description.of(dtype, 2, 3), versioned);
      assertThat(tensor.dtype()).isEqualTo(dtype);
      assertThat(tensor.shape()).containsExactly(2, 3);
      assertThat(tensor.strides()).as("null strides are compact").containsExactly(3, 1);
      assertThat(tensor.segment().address()).isEqualTo(array.data.address());
      assertThat(tensor.segment().byteSize()).isEqualTo(6L * dtype.bytes());
      assertThat(tensor.isReadOnly()).isFalse();
      if (dtype.isFloating()) {
        tensor.copyFrom(new float[] {1, 2, 3, 4, 5, -1.5f});
        assertThat(tensor.toFloats()).containsExactly(1, 2, 3, 4, 5, -1.5f);
      } else {
        tensor.copyFrom(new int[] {1, 2, 3, 4, 5, -6});
        assertThat(array.data.getAtIndex(ValueLayout.JAVA_INT, 5)).isEqualTo(-6);
      }
      MemorySegment segment = tensor.segment();
      assertThat(array.deleted).hasValue(before);
      tensor.close();
      tensor.close();
      assertThat(array.deleted).hasValue(before + 1);
      assertThatIllegalStateException().isThrownBy(() -> segment.get(ValueLayout.JAVA_BYTE, 0));
      assertThatIllegalStateException().isThrownBy(tensor::toFloats);
    }
  }

  @Test
  void halfPrecisionIsReadBitByBit() {
    array.data.setAtIndex(ValueLayout.JAVA_SHORT, 0, (short) 0x3e00); // 1.5 in float16
    array.data.setAtIndex(ValueLayout.JAVA_SHORT, 1, (short) 0x3fc0); // 1.5 in bfloat16
    try (Tensor half = lent(Description.of(DType.FLOAT16, 1), true);
        Tensor brain = lent(Description.of(DType.BFLOAT16, 1).at(2), false)) {
      assertThat(half.toFloats()).containsExactly(1.5f);
      assertThat(brain.toFloats()).containsExactly(1.5f);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void stridesAndByteOffsetsAreKept(boolean versioned) {
    for (int i = 0; i < 64; i++) {
      array.data.setAtIndex(ValueLayout.JAVA_FLOAT, i, i);
    }
    Description turned = Description.of(DType.FLOAT32, 3, 2).strided(1, 10).at(8);
    try (Tensor tensor = lent(turned, versioned);
        // Along one element there is nothing to step over, so any stride will do.
        Tensor single = lent(Description.of(DType.FLOAT32, 1, 3, 1).strided(-7, 2, 99), versioned);
        Tensor repeated = lent(Description.of(DType.FLOAT32, 3).strided(0).at(12), versioned);
        Tensor scalar = lent(Description.of(DType.FLOAT32).at(20), versioned);
        Tensor empty = lent(Description.of(DType.FLOAT32, 0, 3).strided(-1, -1), versioned)) {
      assertThat(tensor.toFloats()).containsExactly(2, 12, 3, 13, 4, 14);
      assertThat(tensor.strides()).containsExactly(1, 10);
      assertThat(tensor.segment().address()).isEqualTo(array.data.address() + 8);
      assertThat(single.toFloats()).containsExactly(0, 2, 4);
      assertThat(repeated.toFloats()).containsExactly(3, 3, 3);
      assertThat(scalar.toFloats()).containsExactly(5);
      assertThat(empty.toFloats()).isEmpty();
    }
    assertThat(array.deleted).hasValue(5);
  }

  @Test
  void flagsDecideWhetherItMayBeWritten() {
    Description three = Description.of(DType.FLOAT32, 3);
    try (Tensor tensor =
            Tensor.fromDLPackVersioned(device, array.lendVersioned(three, 1, READ_ONLY));
        Tensor copied =
            Tensor.fromDLPackVersioned(device, array.lendVersioned(three, 1, IS_COPIED));
        Tensor view = tensor.slice(0, 1, 3)) {
      assertThat(tensor.isReadOnly()).isTrue();
      assertThat(view.isReadOnly()).isTrue();
      assertThat(copied.isReadOnly()).isFalse();
      assertThat(tensor.segment().isReadOnly()).isTrue();
      assertThat(view.segment().isReadOnly()).isTrue();
      assertThatThrownBy(() -> tensor.copyFrom(new float[3]))
          .isInstanceOf(UnsupportedOperationException.class)
          .hasMessageContaining("read-only");
      assertThat(copied.copyFrom(new float[] {1, 2, 3}).toFloats()).containsExactly(1, 2, 3);
      assertThat(tensor.toFloats()).containsExactly(1, 2, 3);
      assertThatThrownBy(tensor::toDLPack)
          .isInstanceOf(UnsupportedOperationException.class)
          .hasMessageContaining("toDLPackVersioned was expected");
      MemorySegment exported = tensor.toDLPackVersioned();
      assertThat(exported.get(ValueLayout.JAVA_LONG, ForeignArray.VERSIONED_FLAGS)).isEqualTo(1);
      try (Tensor again = Tensor.fromDLPackVersioned(device, exported)) {
        assertThat(again.isReadOnly()).isTrue();
      }
    }
  }

  @Test
  void attentionComputesOnImportedKeysInPlace() {
    try (Group group = Group.self(device);
        Tensor q = Tensor.allocate(device, DType.FLOAT32, 1, 1, 2, 8);
        Tensor k = lent(Description.of(DType.FLOAT32, 1, 4, 2, 8), true);
        Tensor v = lent(Description.of(DType.FLOAT32, 1, 4, 2, 8).at(1024), false)) {
      float[] values = new float[64];
      for (int i = 0; i < values.length; i++) {
        values[i] = i / 16;
      }
      v.copyFrom(values);
      CrossAttention attention =
          CrossAttention.builder().heads(2).keyValueHeads(2).headDim(8).build();
      try (AttentionForward forward = attention.forward(group, q, k, v)) {
        // Keys of zeros: the mean of the values.
        assertThat(forward.output().toFloats()).containsOnly(1.5f);
      }
    }
    assertThat(array.deleted).hasValue(2);
  }

  @Test
  void whatCannotBeHeldIsRefusedAndStaysWithTheCaller() {
    Description good = Description.of(DType.FLOAT32, 2, 3);
    refused(good.typed(0, 64, 1), "managed.dtype is int64 (code 0); float64, float32, bfloat16");
    refused(good.typed(6, 8, 1), "managed.dtype is bool8 (code 6)");
    refused(good.typed(2, 32, 4), "managed.dtype is float32 in 4 lanes");
    refused(good.typed(10, 8, 1), "(code 10)");
    refused(good.on(2, 0), "managed.device is CUDA 0 (type 2); memory of a CPU (type 1)");
    refused(good.on(8, 0), "(type 8)");
    refused(good.strided(-3, 1), "managed.strides[0] is -3; 0 or more was expected");
    refused(good.strided(Long.MAX_VALUE / 2, 1), "managed.strides");
    refused(good.at(2), "is not aligned; a multiple of 4 was expected for float32");
    refused(good.at(-8), "managed.byte_offset is 18446744073709551608");
    refused(Description.of(DType.FLOAT32, 2, -3), "managed.shape[1] is -3");
    refused(
        Description.of(DType.FLOAT32, 1, 1, 1, 1, 1, 1, 1, 1, 1),
        "managed.ndim is 9; 0 to 8 was expected");
    MemorySegment two = array.lendVersioned(good, 2, 0);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.fromDLPackVersioned(device, two))
        .withMessageContaining("managed is of DLPack 2.1; version 1");
    Pointers.sized(two, 80).set(ValueLayout.JAVA_INT, 0, 1);
    Tensor.fromDLPackVersioned(device, two).close();
    try (Tensor pinned = Tensor.fromDLPack(device, array.lend(good.on(3, 0)))) {
      assertThat(pinned.toFloats()).hasSize(6);
    }
  }

  private void refused(Description description, String message) {
    int before = array.deleted.get();
    MemorySegment managed = array.lend(description);
    MemorySegment versioned = array.lendVersioned(description, 1, 0);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.fromDLPack(device, managed))
        .withMessageContaining(message);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.fromDLPackVersioned(device, versioned))
        .withMessageContaining(message);
    assertThat(array.deleted).hasValue(before);
    new DLPackConsumer(managed, false).delete();
    new DLPackConsumer(versioned, true).delete();
  }

  @Test
  void wrongPointersAreRefused() {
    assertThatNullPointerException()
        .isThrownBy(() -> Tensor.fromDLPack(device, Absent.absent()))
        .withMessage("managed is null");
    assertThatNullPointerException()
        .isThrownBy(() -> Tensor.fromDLPack(Absent.absent(), MemorySegment.NULL))
        .withMessage("device is null");
    pointerRefused(MemorySegment.NULL, "managed is a null pointer; one to a DLManagedTensor");
    pointerRefused(MemorySegment.ofArray(new long[8]), "managed lies on the Java heap");
    pointerRefused(MemorySegment.ofAddress(4097), "managed is not aligned to 8 bytes");
    try (Arena arena = Arena.ofConfined()) {
      pointerRefused(
          arena.allocate(56, 8), "managed has 56 bytes; the 64 of a DLManagedTensor were expected");
      MemorySegment zeros = arena.allocate(64, 8);
      pointerRefused(zeros, "managed.dtype is int0");
      zeros.set(ValueLayout.JAVA_INT, 8, 1);
      zeros.set(ValueLayout.JAVA_INT, 16, 1);
      zeros.set(ValueLayout.JAVA_BYTE, 21, (byte) 32);
      zeros.set(ValueLayout.JAVA_SHORT, 22, (short) 1);
      pointerRefused(zeros, "managed.shape is a null pointer; 1 extents were expected");
      zeros.set(ValueLayout.ADDRESS, 24, arena.allocateFrom(ValueLayout.JAVA_LONG, 5));
      pointerRefused(zeros, "managed.data is a null pointer; memory was expected for shape [5]");
      zeros.set(ValueLayout.ADDRESS, 24, arena.allocateFrom(ValueLayout.JAVA_LONG, 0));
      // No elements need no memory, and a null deleter is not called.
      Tensor.fromDLPack(device, zeros).close();
    }
    Arena closed = Arena.ofConfined();
    MemorySegment gone = closed.allocate(64, 8);
    closed.close();
    assertThatIllegalStateException()
        .isThrownBy(() -> Tensor.fromDLPack(device, gone))
        .withMessageContaining("managed: the segment's arena was closed");
  }

  private void pointerRefused(MemorySegment managed, String message) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.fromDLPack(device, managed))
        .withMessageContaining(message);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anExportIsWhatTheTensorIsAndOutlivesIt(boolean versioned) {
    Tensor tensor = Tensor.of(device, DType.FLOAT32, new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
    Tensor turned = tensor.permute(1, 0).slice(0, 1, 3);
    DLPackConsumer consumer = consumer(turned, versioned);
    assertThat(consumer.data().address()).isEqualTo(turned.segment().address());
    assertThat(consumer.byteOffset()).isZero();
    assertThat(consumer.deviceType()).isEqualTo(1);
    assertThat(consumer.dtype()).isEqualTo("2 32 1");
    assertThat(consumer.shape()).containsExactly(2, 2);
    assertThat(consumer.strides()).containsExactly(1, 3);
    tensor.close();
    assertThatIllegalStateException().isThrownBy(tensor::toFloats);
    assertThatIllegalStateException().isThrownBy(turned::toDLPack);
    assertThat(device.bytesInUse()).isGreaterThanOrEqualTo(24);
    assertThatIllegalStateException()
        .isThrownBy(device::close)
        .withMessageContaining("cannot be closed while 1 DLPack export of it");
    assertThat(consumer.at(1, 1)).isEqualTo(6);
    assertThat(consumer.at(0, 1)).isEqualTo(5);
    consumer.delete();
  }

  private static DLPackConsumer consumer(Tensor tensor, boolean versioned) {
    MemorySegment managed = versioned ? tensor.toDLPackVersioned() : tensor.toDLPack();
    if (versioned) {
      assertThat(managed.get(ValueLayout.JAVA_INT, 0)).isEqualTo(1);
      assertThat(managed.get(ValueLayout.JAVA_LONG, ForeignArray.VERSIONED_FLAGS)).isZero();
    }
    return new DLPackConsumer(managed, versioned);
  }

  @Test
  void memoryEndsWithTheLastOfItsHoldersInAnyOrder() {
    Tensor tensor = Tensor.allocate(device, DType.FLOAT32, 100);
    DLPackConsumer first = consumer(tensor, false);
    DLPackConsumer second = consumer(tensor, true);
    first.delete();
    assertThat(tensor.toFloats()).hasSize(100);
    tensor.close();
    assertThat(device.bytesInUse()).isPositive();
    second.delete();
    assertThat(device.bytesInUse()).isZero();
  }

  @Test
  void emptyTensorsAreExported() {
    try (Tensor empty = Tensor.allocate(device, DType.FLOAT16, 0, 3);
        Tensor scalar = Tensor.of(device, DType.FLOAT32, new float[] {7})) {
      DLPackConsumer consumer = consumer(empty, true);
      assertThat(consumer.data()).isEqualTo(MemorySegment.NULL);
      assertThat(consumer.shape()).containsExactly(0, 3);
      consumer.delete();
      DLPackConsumer one = consumer(scalar, false);
      assertThat(one.at()).isEqualTo(7);
      one.delete();
    }
  }

  @Test
  void anExportTakenBackIsTheSameMemory() {
    Tensor tensor = Tensor.of(device, DType.FLOAT64, new double[] {1, 2}, 2);
    Tensor back = Tensor.fromDLPack(device, tensor.toDLPack());
    Tensor twice = Tensor.fromDLPackVersioned(device, back.toDLPackVersioned());
    assertThat(twice.segment().address()).isEqualTo(tensor.segment().address());
    tensor.close();
    back.close();
    assertThat(twice.toDoubles()).containsExactly(1, 2);
    twice.close();
  }

  @Test
  void anImportedArrayIsReexportedWithItsOwner() {
    Tensor tensor = lent(Description.of(DType.FLOAT32, 4), true);
    DLPackConsumer consumer = consumer(tensor, true);
    assertThat(consumer.data().address()).isEqualTo(array.data.address());
    tensor.close();
    assertThat(array.deleted).hasValue(0);
    consumer.delete();
    assertThat(array.deleted).hasValue(1);
  }

  @Test
  void wrappedMemoryWithoutAnOwnerIsNotLent() {
    try (Tensor tensor = Tensor.wrap(device, array.data, DType.FLOAT32, new long[] {4}, null);
        Tensor view = tensor.slice(0, 1, 2)) {
      for (Tensor lent : List.of(tensor, view)) {
        assertThatIllegalStateException()
            .isThrownBy(lent::toDLPack)
            .withMessageContaining("wraps memory without an owner");
      }
    }
  }

  @Test
  void theDeleterMayBeCalledByAThreadThatTheJvmDoesNotKnow() throws Throwable {
    Tensor tensor = Tensor.of(device, DType.FLOAT32, new float[] {1, 2}, 2);
    DLPackConsumer consumer = consumer(tensor, true);
    tensor.close();
    assertThat(consumer.at(1)).isEqualTo(2);
    consumer.deleteOnNativeThread();
  }

  @Test
  void deletersMayBeCalledAtTheSameTimeAsCallsOfTheOwner() throws InterruptedException {
    List<DLPackConsumer> consumers = new ArrayList<>();
    try (Tensor shared = Tensor.allocate(device, DType.FLOAT32, 10)) {
      for (int i = 0; i < 200; i++) {
        consumers.add(consumer(shared, i % 2 == 0));
      }
      List<Thread> threads = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        List<DLPackConsumer> own = consumers.subList(50 * t, 50 * t + 50);
        threads.add(Thread.ofPlatform().start(() -> own.forEach(DLPackConsumer::delete)));
      }
      for (int i = 0; i < 200; i++) {
        DLPackConsumer other = consumer(shared, true);
        Tensor.allocate(device, DType.FLOAT32, 10).close();
        other.delete();
      }
      for (Thread thread : threads) {
        thread.join();
      }
    }
  }

  @Test
  void aForgottenImportIsDeletedAndReported() throws InterruptedException {
    forget();
    while (array.deleted.get() == 0) {
      System.gc();
      Thread.sleep(5);
    }
    while (LeakDetector.leaks() == leaks) {
      Thread.sleep(5);
    }
    leaks++;
  }

  private void forget() {
    assertThat(lent(Description.of(DType.FLOAT32, 4), false).toFloats()).hasSize(4);
  }
}
