// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.Resource;
import org.lvxattn.internal.memory.Storage;

/**
 * Keys and values that lie in memory once, for any number of threads and devices. A service makes
 * them once for each video; every thread then reads them through {@linkplain #on tensors on its own
 * device}. No element is copied.
 *
 * <pre>{@code
 * SharedKeyValues video = SharedKeyValues.of(key, value); // the tensors may be closed now
 * device.release();
 *
 * // in any thread, with a device of its own
 * try (KeyValues local = video.on(ownDevice)) {
 *   attention.forward(group, q, local.key(), local.value());
 * }
 * }</pre>
 *
 * <p>The memory must not be changed any more. It stays open until this was closed and no thread
 * uses it, and so does the device that it was allocated on.
 *
 * <p>Thread-safe.
 *
 * @since 0.2.0
 */
public final class SharedKeyValues implements AutoCloseable {
  private static final int RANK = 4;

  private final DType dtype;
  private final Device.Kind kind;
  private final int ordinal;
  private final Part key;
  private final Part value;
  private final Memory memory;

  private int uses;
  private boolean closed;

  private SharedKeyValues(Tensor key, Tensor value) {
    this.dtype = key.dtype();
    this.kind = key.device().kind();
    this.ordinal = key.device().ordinal();
    this.key = Part.of(key);
    this.value = Part.of(value);
    this.memory = new Memory(key.device().resource(), key.storage(), value.storage());
    memory.watch(this);
  }

  /** What describes one of the two tensors, without its device. */
  private record Part(MemorySegment data, long[] shape, long[] strides) {
    static Part of(Tensor tensor) {
      return new Part(tensor.data().asReadOnly(), tensor.shape(), tensor.strides());
    }

    Tensor on(Device device, DType dtype, MemoryOwner owner) {
      return Tensor.wrap(device, data, dtype, shape, strides, owner);
    }
  }

  /** The memory of both tensors, held. */
  private static final class Memory extends Resource {
    private final DeviceResource device;
    private final Storage key;
    private final Storage value;

    Memory(DeviceResource device, Storage key, Storage value) {
      super("shared pair of keys and values");
      this.device = device;
      this.key = key;
      this.value = value;
      key.retain();
      value.retain();
      device.opened(this);
    }

    @Override
    public synchronized void release() {
      key.release();
      value.release();
      device.closed(this);
    }
  }

  /**
   * Shares the memory of two tensors. They may be closed afterwards.
   *
   * @param key {@code [batch, keys, keyValueHeads, headDim]}
   * @param value shape, dtype and device of key
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if shapes, dtypes or devices differ, or are not floating-point
   *     and of 4 dimensions
   * @throws IllegalStateException if a tensor was closed, or wraps memory without a {@link
   *     MemoryOwner}, which could be freed while it is shared
   * @throws WrongThreadException if another thread owns the device
   */
  public static SharedKeyValues of(Tensor key, Tensor value) {
    require(key, "key");
    require(value, "value");
    Preconditions.require(
        key.device().equals(value.device()),
        "value",
        value.device(),
        "a tensor of " + key.device() + " like key");
    Preconditions.require(
        key.dtype() == value.dtype() && Arrays.equals(key.shape(), value.shape()),
        "value",
        value,
        "dtype " + key.dtype() + " and shape " + Arrays.toString(key.shape()) + " like key");
    if (key.device().kind() == Device.Kind.CUDA) {
      key.device().synchronize(); // other devices read it on streams of their own
    }
    return new SharedKeyValues(key, value);
  }

  private static void require(Tensor tensor, String name) {
    Preconditions.present(tensor, name).requireUsable(name);
    Preconditions.require(
        tensor.rank() == RANK && tensor.dtype().isFloating(),
        name,
        tensor,
        "a floating-point tensor [batch, keys, keyValueHeads, headDim]");
    if (!tensor.storage().isHeld()) {
      throw new IllegalStateException(
          name
              + ": it wraps memory without an owner, which could be freed while it is shared;"
              + " Tensor.wrap with a MemoryOwner was expected");
    }
  }

  /** Type of the elements. */
  public DType dtype() {
    return dtype;
  }

  /** Number of batch items. */
  public long batch() {
    return key.shape[0];
  }

  /** Number of keys, and of values, of each batch item. */
  public long keys() {
    return key.shape[1];
  }

  /** Number of key and value heads. */
  public int keyValueHeads() {
    return Math.toIntExact(key.shape[2]);
  }

  /** Elements of one head. */
  public int headDim() {
    return Math.toIntExact(key.shape[RANK - 1]);
  }

  /** Address of the first key, for tests. */
  long address() {
    return key.data.address();
  }

  /** Number of open {@linkplain #on pairs of tensors} and {@linkplain #hold holds}. */
  public synchronized int uses() {
    return uses;
  }

  /**
   * Tensors over the shared memory on the caller's device. They are read-only.
   *
   * @param device owned by the calling thread; a CPU for keys and values of a CPU, the same GPU for
   *     those of a GPU
   * @return the pair; close it after use, on the thread that owns the device then
   * @throws NullPointerException if device is null
   * @throws IllegalArgumentException if the device cannot read the memory
   * @throws IllegalStateException if this or the device was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public KeyValues on(Device device) {
    Preconditions.present(device, "device").requireUsable("device");
    Preconditions.require(
        device.kind() == kind && device.ordinal() == ordinal,
        "device",
        device,
        kind == Device.Kind.CPU ? "a CPU, which holds the keys and values," : "GPU " + ordinal);
    begin();
    Use use = new Use(this);
    try {
      Tensor localKey = key.on(device, dtype, use);
      try {
        return new KeyValues(localKey, value.on(device, dtype, use));
      } catch (RuntimeException | Error e) {
        localKey.close();
        throw e;
      }
    } catch (RuntimeException | Error e) {
      use.abandon();
      throw e;
    }
  }

  /**
   * Keeps this open until the result is closed, for a request that waits. Any thread may call this.
   *
   * @throws IllegalStateException if this was closed
   */
  public Hold hold() {
    begin();
    return new Hold(this);
  }

  /** Keeps keys and values open. Thread-safe. */
  public static final class Hold implements AutoCloseable {
    private final SharedKeyValues shared;
    private final AtomicBoolean ended = new AtomicBoolean();

    private Hold(SharedKeyValues shared) {
      this.shared = shared;
    }

    /** Ends the hold. Closing again does nothing. */
    @Override
    public void close() {
      if (ended.compareAndSet(false, true)) {
        shared.end();
      }
    }
  }

  private synchronized void begin() {
    if (closed) {
      throw new IllegalStateException("keyValues: they were closed; open ones were expected");
    }
    uses++;
  }

  private synchronized void end() {
    uses--;
  }

  /** Keeps the shared memory in use until both tensors of a pair were closed. */
  private static final class Use implements MemoryOwner {
    private final SharedKeyValues shared;
    private int tensors = 2;

    Use(SharedKeyValues shared) {
      this.shared = shared;
    }

    @Override
    public synchronized void release() {
      tensors--;
      if (tensors == 0) {
        shared.end();
      }
    }

    /** Ends the use of a pair that was not made. */
    synchronized void abandon() {
      if (tensors > 0) {
        tensors = 0;
        shared.end();
      }
    }
  }

  /**
   * Ends sharing; the memory is freed, unless the tensors are still open. Any thread may call this.
   * Closing again does nothing.
   *
   * @throws IllegalStateException if a {@linkplain #on pair of tensors} is open, or a request waits
   *     for them
   */
  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    if (uses > 0) {
      throw new IllegalStateException(
          "keyValues: they are in use "
              + (uses == 1 ? "once" : uses + " times")
              + "; close the tensors, and wait for the requests, that use them first");
    }
    memory.close();
    closed = true;
  }

  @Override
  public String toString() {
    return "SharedKeyValues[" + dtype + " " + Arrays.toString(key.shape) + "]";
  }
}
