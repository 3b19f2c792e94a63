// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssertAlternative;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Wrapped buffers, and owners of wrapped memory: when they are asked and released. */
@Timeout(120)
class MemoryOwnerTest {
  private static final long[] FOUR = {4};

  private final long leaks = LeakDetector.leaks();
  private final AtomicInteger released = new AtomicInteger();
  private Device device;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
  }

  @AfterEach
  void close() {
    device.close();
    assertThat(LeakDetector.leaks()).isEqualTo(leaks);
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }

  @Test
  void aBufferIsWrappedFromItsPositionToItsLimit() {
    ByteBuffer buffer = buffer(64);
    for (int i = 0; i < 16; i++) {
      buffer.putFloat(4 * i, i);
    }
    buffer.position(8).limit(24);
    long address = MemorySegment.ofBuffer(buffer).address();
    try (Tensor tensor = Tensor.wrap(device, buffer, DType.FLOAT32, FOUR, null);
        Tensor strided =
            Tensor.wrap(device, buffer, DType.FLOAT32, new long[] {2}, new long[] {3})) {
      assertThat(tensor.segment().address()).isEqualTo(address);
      assertThat(tensor.toFloats()).containsExactly(2, 3, 4, 5);
      assertThat(strided.toFloats()).containsExactly(2, 5);
      tensor.copyFrom(new float[] {20, 30, 40, 50});
      assertThat(buffer.getFloat(20)).isEqualTo(50);
      assertThat(buffer.position()).isEqualTo(8);
    }
    try (Tensor tensor =
        Tensor.wrap(
            device,
            buffer.asReadOnlyBuffer(),
            DType.FLOAT32,
            FOUR,
            null,
            released::incrementAndGet)) {
      assertThat(tensor.isReadOnly()).isTrue();
      assertThat(tensor.segment().isReadOnly()).isTrue();
    }
    assertThat(released).hasValue(1);
  }

  @Test
  void wrongBuffersAreRefusedAndTheirOwnerIsNotReleased() {
    refused(ByteBuffer.allocate(16), FOUR)
        .withMessageContaining("buffer lies on the Java heap; a direct one was expected");
    refused(buffer(12), FOUR)
        .withMessage(
            "buffer has 12 bytes; at least 16 were expected for shape [4] and strides [1] of"
                + " float32");
    refused(buffer(64).position(2).slice(), FOUR)
        .withMessageContaining("buffer is not aligned; an address that is a multiple of 4");
    refused(buffer(12), new long[] {1L << 30})
        .withMessageContaining("at least 4294967296 were expected")
        .withMessageContaining("more than a ByteBuffer can hold: wrap a MemorySegment, or import");
    assertThatNullPointerException()
        .isThrownBy(
            () -> Tensor.wrap(device, Absent.<ByteBuffer>absent(), DType.FLOAT32, FOUR, null))
        .withMessage("buffer is null");
    assertThatNullPointerException()
        .isThrownBy(
            () -> Tensor.wrap(device, buffer(16), DType.FLOAT32, FOUR, null, Absent.absent()))
        .withMessage("owner is null");
    assertThatNullPointerException()
        .isThrownBy(() -> MemoryOwner.reachable(Absent.absent()))
        .withMessage("object is null");
    assertThat(released).hasValue(0);
  }

  private ThrowableAssertAlternative<IllegalArgumentException> refused(
      ByteBuffer buffer, long[] shape) {
    return assertThatIllegalArgumentException()
        .isThrownBy(
            () ->
                Tensor.wrap(device, buffer, DType.FLOAT32, shape, null, released::incrementAndGet));
  }

  @Test
  void anOwnerIsReleasedOnceAndSegmentsEndBefore() {
    ForeignArray array = new ForeignArray();
    Tensor tensor =
        Tensor.wrap(
            device,
            array.unchecked(),
            DType.FLOAT32,
            FOUR,
            null,
            () -> {
              released.incrementAndGet();
              array.release();
            });
    Tensor view = tensor.slice(0, 1, 3);
    MemorySegment segment = tensor.segment();
    MemorySegment viewed = view.segment();
    HostView host = HostView.reading(tensor);
    view.close();
    assertThat(released).hasValue(0);
    tensor.close();
    tensor.close();
    assertThat(released).hasValue(1);
    assertThat(array.isMapped()).isFalse();
    assertThatIllegalStateException().isThrownBy(() -> segment.get(ValueLayout.JAVA_FLOAT, 0));
    assertThatIllegalStateException().isThrownBy(() -> viewed.get(ValueLayout.JAVA_FLOAT, 0));
    assertThatIllegalStateException()
        .isThrownBy(() -> host.segment().get(ValueLayout.JAVA_FLOAT, 0));
    assertThatIllegalStateException().isThrownBy(view::toFloats);
  }

  @Test
  void aSegmentOfAnArenaEndsWithTheArenaWhateverItsOwnerSays() {
    Arena arena = Arena.ofShared();
    Tensor tensor =
        Tensor.wrap(
            device, arena.allocate(16, 4), DType.FLOAT32, FOUR, null, released::incrementAndGet);
    MemorySegment segment = tensor.segment();
    arena.close();
    assertThatIllegalStateException().isThrownBy(tensor::toFloats);
    assertThatIllegalStateException().isThrownBy(() -> segment.get(ValueLayout.JAVA_FLOAT, 0));
    tensor.close();
    assertThat(released).hasValue(1);
  }

  @Test
  void anArenaMayBeTheOwner() {
    Arena arena = Arena.ofConfined();
    try (Tensor tensor =
        Tensor.wrap(device, arena.allocate(16, 4), DType.FLOAT32, FOUR, null, arena::close)) {
      assertThat(tensor.toFloats()).containsOnly(0);
    }
    assertThat(arena.scope().isAlive()).isFalse();
  }

  /** A framework that frees memory when it closes an array, whoever uses it. */
  private static final class Closing implements MemoryOwner {
    private final ForeignArray array = new ForeignArray();
    private int releases;

    @Override
    public boolean isOpen() {
      return array.isMapped();
    }

    @Override
    public void release() {
      releases++;
      if (array.isMapped()) {
        array.release();
      }
    }
  }

  @Test
  void anOwnerThatSaysThatItIsClosedEndsTheUse() {
    Closing owner = new Closing();
    Tensor tensor = Tensor.wrap(device, owner.array.unchecked(), DType.FLOAT32, FOUR, null, owner);
    Tensor view = tensor.slice(0, 1, 3);
    assertThat(view.toFloats()).containsExactly(0, 0);
    owner.array.release();
    for (Tensor used : new Tensor[] {tensor, view}) {
      assertThatIllegalStateException()
          .isThrownBy(used::toFloats)
          .withMessage(
              "tensor: its owner says that the memory was freed; open memory was expected");
    }
    assertThatIllegalStateException().isThrownBy(tensor::toDLPack);
    tensor.close();
    assertThat(owner.releases).isEqualTo(1);
  }

  @Test
  void whatAnOwnerThrowsIsThrownByCloseWhichClosesNevertheless() {
    IllegalStateException failure = new IllegalStateException("closed twice");
    Tensor tensor =
        Tensor.wrap(
            device,
            buffer(16),
            DType.FLOAT32,
            FOUR,
            null,
            () -> {
              released.incrementAndGet();
              throw failure;
            });
    assertThatIllegalStateException().isThrownBy(tensor::close).isSameAs(failure);
    tensor.close();
    assertThat(released).hasValue(1);
    assertThatIllegalStateException().isThrownBy(tensor::toFloats);
  }

  @Test
  void anOwnerThatFailsInTheDeleterOfAnExportDoesNotEndTheJvm() throws Throwable {
    Tensor tensor =
        Tensor.wrap(
            device,
            buffer(16),
            DType.FLOAT32,
            FOUR,
            null,
            () -> {
              released.incrementAndGet();
              throw new StackOverflowError("of the test");
            });
    DLPackConsumer consumer = new DLPackConsumer(tensor.toDLPack(), false);
    tensor.close();
    assertThat(released).hasValue(0);
    consumer.deleteOnNativeThread();
    assertThat(released).hasValue(1);
    // A consumer that calls the deleter twice is told, and does no harm.
    consumer.delete();
    assertThat(released).hasValue(1);
  }

  @Test
  void anObjectIsKeptReachableUntilTheTensorIsClosed() throws InterruptedException {
    Object[] object = {new Object()};
    WeakReference<Object> seen = new WeakReference<>(object[0]);
    Tensor tensor =
        Tensor.wrap(
            device, buffer(16), DType.FLOAT32, FOUR, null, MemoryOwner.reachable(object[0]));
    object[0] = "another";
    for (int i = 0; i < 10; i++) {
      System.gc();
      Thread.sleep(5);
    }
    assertThat(seen.get()).isNotNull();
    tensor.close();
    while (seen.get() != null) {
      System.gc();
      Thread.sleep(5);
    }
    assertThat(tensor.toString()).contains("closed");
  }
}
