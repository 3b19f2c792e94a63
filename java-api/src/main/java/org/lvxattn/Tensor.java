// SPDX-License-Identifier: Apache-2.0
// Longer than 500 lines: all operations on tensors are in one place, and half of the file is
// Javadoc; shapes, elements and ownership are in org.lvxattn.internal.memory.
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.Pointers;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.memory.Descriptors;
import org.lvxattn.internal.memory.DeviceCopies;
import org.lvxattn.internal.memory.Elements;
import org.lvxattn.internal.memory.Layout;
import org.lvxattn.internal.memory.Reachability;
import org.lvxattn.internal.memory.TensorResource;

/**
 * Memory of a device with a dtype, a shape and strides.
 *
 * <p>A tensor owns its memory ({@link #allocate}), wraps caller-owned memory ({@link #wrap}), or is
 * a view of another tensor ({@link #slice}, {@link #permute}, {@link #reshape}). Only the thread
 * that owns its device may use it. Sizes and strides are in elements; dimension 0 is the outermost
 * in row-major order.
 *
 * <p>The struct that native calls read is created once, with the tensor, so calls marshal nothing.
 *
 * <p>The host cannot access the memory of a GPU ({@link Device#cuda}): {@link #segment} has
 * byteSize 0 there. {@link #copyFrom(float[])}, {@link #toFloats} and others copy arrays and block;
 * {@link HostView} gives access to single elements.
 */
public final class Tensor implements AutoCloseable {
  private final Device device;
  private final DType dtype;
  private final Layout layout;
  private final @Nullable Tensor parent;
  private final boolean wrapped;
  private final TensorResource resource;

  /**
   * Memory from the first element on, with the bounds and the lifetime of the underlying memory.
   */
  private final MemorySegment data;

  private final MemorySegment descriptor;

  /** The segment that {@link #segment} returned. */
  private @Nullable MemorySegment exposed;

  private boolean closed;

  private Tensor(
      Device device,
      DType dtype,
      Layout layout,
      MemorySegment data,
      TensorResource.Origin origin,
      @Nullable Tensor parent,
      long buffer) {
    this.device = device;
    this.dtype = dtype;
    this.layout = layout;
    this.data = data;
    this.parent = parent;
    this.wrapped = parent != null ? parent.wrapped : origin == TensorResource.Origin.WRAPPED;
    this.resource =
        new TensorResource(device.resource(), origin, buffer, dtype.name(), layout.shape());
    MemorySegment struct =
        Descriptors.fill(resource.slot(), device.kind().code(), device.ordinal(), data, layout);
    // A native call then keeps the caller's arena open until it returns.
    this.descriptor = wrapped ? Pointers.livingWith(struct, data) : struct;
    resource.watch(this);
  }

  /**
   * Allocates memory on a device, filled with zeros and aligned to 64 bytes.
   *
   * @param device where to allocate
   * @param dtype type of the elements
   * @param shape extents, each 0 or more; at most 8
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if an extent is negative, there are too many, or the size
   *     exceeds 2^63 - 1 bytes
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public static Tensor allocate(Device device, DType dtype, long... shape) {
    Preconditions.present(device, "device").requireUsable("device");
    Preconditions.present(dtype, "dtype");
    Layout layout = Layout.compact(dtype.element(), shape);
    long bytes = layout.extentBytes();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(ValueLayout.JAVA_LONG);
      MemorySegment address = arena.allocate(ValueLayout.ADDRESS);
      NativeCalls.check(
          Lvx.lvx_buffer_allocate(device.handle(), Math.max(bytes, 1), buffer, address));
      MemorySegment pointer = address.get(ValueLayout.ADDRESS, 0);
      MemorySegment data = device.hasHostMemory() ? Pointers.sized(pointer, bytes) : pointer;
      return new Tensor(
          device,
          dtype,
          layout,
          data,
          TensorResource.Origin.ALLOCATED,
          null,
          buffer.get(ValueLayout.JAVA_LONG, 0));
    }
  }

  /**
   * Allocates memory for a tensor of the same device, dtype and shape as another, filled with
   * zeros.
   *
   * @throws NullPointerException if tensor is null
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public static Tensor allocateLike(Tensor tensor) {
    Preconditions.present(tensor, "tensor");
    return allocate(tensor.device, tensor.dtype, tensor.layout.shape());
  }

  /**
   * Allocates memory and fills it in row-major order. If filling fails, nothing stays allocated.
   *
   * @param device where to allocate
   * @param dtype floating-point type of the elements; values are rounded to it
   * @param values as many as the shape has elements
   * @param shape extents, each 0 or more; at most 8
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if the dtype is int32, the shape is invalid, or the number of
   *     values differs from its elements
   * @throws IllegalStateException if the device was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public static Tensor of(Device device, DType dtype, float[] values, long... shape) {
    return filled(allocate(device, dtype, shape), tensor -> tensor.fill(values, "values"));
  }

  /** As {@link #of(Device, DType, float[], long...)}. */
  public static Tensor of(Device device, DType dtype, double[] values, long... shape) {
    return filled(allocate(device, dtype, shape), tensor -> tensor.fill(values, "values"));
  }

  /** As {@link #of(Device, DType, float[], long...)}, of {@link DType#INT32}. */
  public static Tensor of(Device device, int[] values, long... shape) {
    return filled(allocate(device, DType.INT32, shape), tensor -> tensor.fill(values, "values"));
  }

  private static Tensor filled(Tensor tensor, Consumer<Tensor> fill) {
    try {
      fill.accept(tensor);
      return tensor;
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, tensor);
      throw e;
    }
  }

  /**
   * Wraps caller-owned memory; close does not free it. The segment's arena cannot be closed while a
   * call of this library uses the memory. Once the arena is closed, the tensor can only be closed.
   *
   * @param device a device that can use the memory
   * @param segment native memory that begins with the first element, aligned to the dtype; if it is
   *     read-only, so is the tensor. On a GPU: a zero-length segment at an address in that GPU's
   *     memory, for instance of another framework's tensor. The memory must be as large as the
   *     shape and strides say
   * @param dtype type of the elements
   * @param shape extents, each 0 or more; at most 8
   * @param strides distance in elements between neighbours along each dimension, each 0 or more;
   *     null for compact row-major order
   * @throws NullPointerException if an argument other than strides is null
   * @throws IllegalArgumentException if the segment is on the heap, too small or not aligned, if it
   *     is host memory and the device is a GPU, or if shape or strides are wrong
   * @throws IllegalStateException if the device or the segment's arena was closed
   * @throws WrongThreadException if another thread owns the device, or the segment is confined to
   *     another thread
   */
  public static Tensor wrap(
      Device device, MemorySegment segment, DType dtype, long[] shape, long @Nullable [] strides) {
    Preconditions.present(device, "device").requireUsable("device");
    Preconditions.present(segment, "segment");
    Preconditions.present(dtype, "dtype");
    if (!segment.isNative()) {
      throw new IllegalArgumentException(
          "segment lies on the Java heap; native memory was expected, for instance of an Arena");
    }
    requireAccessible(segment, "segment");
    Layout layout = Layout.strided(dtype.element(), shape, strides);
    long bytes = layout.extentBytes();
    boolean external = !device.hasHostMemory();
    if (external && bytes > 0) {
      requireMemoryOf(device, segment);
    }
    // A zero-length segment of GPU memory has no size to check.
    if (segment.byteSize() < bytes && !(external && segment.byteSize() == 0)) {
      throw new IllegalArgumentException(
          "segment has "
              + segment.byteSize()
              + " bytes; at least "
              + bytes
              + " were expected for shape "
              + Arrays.toString(layout.shape())
              + " and strides "
              + Arrays.toString(layout.strides())
              + " of "
              + dtype);
    }
    if (segment.address() % dtype.bytes() != 0) {
      throw new IllegalArgumentException(
          "segment is not aligned; an address that is a multiple of "
              + dtype.bytes()
              + " was expected for "
              + dtype);
    }
    return new Tensor(device, dtype, layout, segment, TensorResource.Origin.WRAPPED, null, 0);
  }

  private static void requireMemoryOf(Device device, MemorySegment segment) {
    try {
      NativeCalls.check(Lvx.lvx_device_check_address(device.handle(), segment));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "segment: "
              + e.getMessage()
              + "; Device.cuda computes with memory of its GPU alone: allocate a tensor there and"
              + " copy into it by copyFrom",
          e);
    }
    Reachability.keep(device);
  }

  /** Type of the elements. */
  public DType dtype() {
    return dtype;
  }

  /** The device whose memory this is. */
  public Device device() {
    return device;
  }

  /** Number of dimensions. */
  public int rank() {
    return layout.shape().length;
  }

  /**
   * Extent of one dimension.
   *
   * @throws IllegalArgumentException if there is no such dimension
   */
  public long dimension(int dimension) {
    return layout.shape()[layout.requireDimension(dimension)];
  }

  /** A copy of the extents. */
  public long[] shape() {
    return layout.shape().clone();
  }

  /** A copy of the strides, in elements. */
  public long[] strides() {
    return layout.strides().clone();
  }

  /** Number of elements: the product of the extents. */
  public long elements() {
    return layout.elements();
  }

  /** Whether the tensor's memory is read-only. */
  public boolean isReadOnly() {
    return data.isReadOnly();
  }

  /**
   * The memory itself. For a tensor that owns its memory: all of it, accessible by any thread until
   * the tensor is closed. For a tensor that wraps a segment: that segment. For a view: its tensor's
   * segment from the view's first element on. Reads and writes through it are not ordered against
   * other threads.
   *
   * <p>A GPU tensor's segment has byteSize 0, so reading it from Java throws {@link
   * IndexOutOfBoundsException}. Its address is for native code. {@link HostView} gives access from
   * Java.
   *
   * @throws IllegalStateException if the tensor was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public MemorySegment segment() {
    requireUsable("tensor");
    if (exposed == null) {
      if (parent != null) {
        long offset = data.address() - parent.data.address();
        exposed = Pointers.behind(parent.segment(), offset);
      } else {
        exposed = wrapped ? data : resource.expose(data);
      }
    }
    return exposed;
  }

  /**
   * A view of the elements {@code from} to {@code to - 1} along a dimension. It shares memory with
   * this tensor and cannot be used once this tensor is closed.
   *
   * @throws IllegalArgumentException if there is no such dimension or range
   * @throws IllegalStateException if the tensor was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor slice(int dimension, long from, long to) {
    requireUsable("tensor");
    Layout slice = layout.slice(dimension, from, to);
    return view(slice, layout.sliceOffset(slice, dimension, from));
  }

  /**
   * A view with the dimensions in another order: its dimension {@code i} is dimension {@code
   * order[i]} of this tensor. It shares memory with this tensor and cannot be used once this tensor
   * is closed.
   *
   * @throws NullPointerException if order is null
   * @throws IllegalArgumentException if order does not name each dimension once
   * @throws IllegalStateException if the tensor was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor permute(int... order) {
    requireUsable("tensor");
    return view(layout.permute(Preconditions.present(order, "order")), 0);
  }

  /**
   * A view of the same elements, in the same logical row-major order, under another shape: {@code
   * [batch, rows, heads * headDim]} of {@code [batch, rows, heads, headDim]}, for instance. Nothing
   * is copied, so the strides must allow it: of two joined dimensions, the outer stride must be the
   * inner stride times the inner extent. It shares memory with this tensor and cannot be used once
   * this tensor is closed.
   *
   * @param shape extents, each 0 or more; at most 8; as many elements as this tensor has
   * @throws NullPointerException if shape is null
   * @throws IllegalArgumentException if shape is wrong, has another number of elements, or the
   *     strides of this tensor allow no view of that shape; copy into a new tensor in that case
   * @throws IllegalStateException if the tensor was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor reshape(long... shape) {
    requireUsable("tensor");
    return view(layout.reshape(shape), 0);
  }

  /**
   * Fills the tensor from an array in logical row-major order, whatever the strides, rounding to
   * nearest even where the dtype is narrower.
   *
   * @param source as many values as the tensor has elements
   * @return this
   * @throws NullPointerException if source is null
   * @throws IllegalArgumentException if its length differs, or the dtype is int32
   * @throws UnsupportedOperationException if the tensor is read-only
   * @throws IllegalStateException if the tensor was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor copyFrom(float[] source) {
    return fill(source, "source");
  }

  private Tensor fill(float[] values, String name) {
    requireTarget(Preconditions.present(values, name).length, true, name);
    return write(memory -> Elements.store(memory, layout, values));
  }

  /**
   * Fills the tensor from an array in logical row-major order, whatever the strides, rounding to
   * nearest even where the dtype is narrower.
   *
   * @param source as many values as the tensor has elements
   * @return this
   * @throws NullPointerException if source is null
   * @throws IllegalArgumentException if its length differs, or the dtype is int32
   * @throws UnsupportedOperationException if the tensor is read-only
   * @throws IllegalStateException if the tensor was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor copyFrom(double[] source) {
    return fill(source, "source");
  }

  private Tensor fill(double[] values, String name) {
    requireTarget(Preconditions.present(values, name).length, true, name);
    return write(memory -> Elements.store(memory, layout, values));
  }

  /**
   * Fills an int32 tensor from an array in logical row-major order, whatever the strides.
   *
   * @param source as many values as the tensor has elements
   * @return this
   * @throws NullPointerException if source is null
   * @throws IllegalArgumentException if its length differs, or the dtype is not int32
   * @throws UnsupportedOperationException if the tensor is read-only
   * @throws IllegalStateException if the tensor was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor copyFrom(int[] source) {
    return fill(source, "source");
  }

  private Tensor fill(int[] values, String name) {
    requireTarget(Preconditions.present(values, name).length, false, name);
    return write(memory -> Elements.store(memory, layout, values));
  }

  /**
   * Fills the tensor from host memory, converting between floating-point dtypes, rounding to
   * nearest even where the tensor's is narrower.
   *
   * @param source compact row-major elements, as many as the tensor has, aligned to their dtype
   * @param sourceType their dtype
   * @return this
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if source has another size or is not aligned, or exactly one
   *     of the dtypes is int32
   * @throws UnsupportedOperationException if the tensor is read-only
   * @throws IllegalStateException if the tensor or the segment's arena was closed
   * @throws WrongThreadException if another thread owns the device, or the segment is confined to
   *     another thread
   */
  public Tensor copyFrom(MemorySegment source, DType sourceType) {
    Preconditions.present(source, "source");
    Preconditions.present(sourceType, "sourceType");
    requireWritable();
    requireAccessible(source, "source");
    requireConvertible(sourceType);
    if (source.byteSize() != layout.elements() * sourceType.bytes()) {
      throw new IllegalArgumentException(
          "source has "
              + source.byteSize()
              + " bytes; "
              + layout.elements() * sourceType.bytes()
              + " were expected for shape "
              + Arrays.toString(layout.shape())
              + " of "
              + sourceType);
    }
    if (source.isNative() && source.address() % sourceType.bytes() != 0) {
      throw new IllegalArgumentException(
          "source is not aligned; an address that is a multiple of "
              + sourceType.bytes()
              + " was expected for "
              + sourceType);
    }
    if (!device.hasHostMemory() && sourceType == dtype && source.isNative() && isCompact()) {
      copyBytes(source, data, source.byteSize());
      return this;
    }
    Layout compact = Layout.compact(sourceType.element(), layout.shape());
    return write(memory -> Elements.copy(source, compact, memory, layout));
  }

  /**
   * Enqueues a copy from pinned memory into this tensor. On a GPU it is asynchronous: do not write
   * to the memory until {@link Device#synchronize} returns.
   *
   * @param source of the same device
   * @param offset of the first element in source, in bytes
   * @return this
   * @throws NullPointerException if source is null
   * @throws IllegalArgumentException if source is too small from that offset on or belongs to
   *     another device, or the tensor is not compact row-major
   * @throws UnsupportedOperationException if the tensor is read-only
   * @throws IllegalStateException if one of the two was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor copyFrom(PinnedMemory source, long offset) {
    requireWritable();
    beginCopy(pinned(source, offset, "source"), data);
    return this;
  }

  /**
   * Enqueues a copy of this tensor into pinned memory. On a GPU it is asynchronous: the bytes are
   * valid once {@link Device#synchronize} returns.
   *
   * @param target of the same device
   * @param offset of the first element in target, in bytes
   * @throws NullPointerException if target is null
   * @throws IllegalArgumentException if target is too small from that offset on or belongs to
   *     another device, or the tensor is not compact row-major
   * @throws IllegalStateException if one of the two was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public void copyTo(PinnedMemory target, long offset) {
    requireUsable("tensor");
    beginCopy(data, pinned(target, offset, "target"));
  }

  private MemorySegment pinned(PinnedMemory memory, long offset, String name) {
    Preconditions.present(memory, name).requireUsable(device, name);
    if (!isCompact()) {
      throw new IllegalArgumentException(
          "tensor: it has strides "
              + Arrays.toString(layout.strides())
              + "; compact row-major order was expected");
    }
    long bytes = layout.bytes();
    if (offset < 0 || offset > memory.bytes() - bytes) {
      throw new IllegalArgumentException(
          name
              + " has "
              + memory.bytes()
              + " bytes, too few for "
              + bytes
              + " from offset "
              + offset
              + " on");
    }
    return memory.segment().asSlice(offset, bytes);
  }

  private void beginCopy(MemorySegment from, MemorySegment to) {
    NativeCalls.check(Lvx.lvx_device_copy_begin(device.handle(), from, to, layout.bytes()));
    Reachability.keep(this);
  }

  private interface HostWork {
    void on(MemorySegment memory);
  }

  /**
   * Writes every element. Host memory is written directly, since a view would allocate an arena.
   */
  private Tensor write(HostWork work) {
    if (device.hasHostMemory()) {
      work.on(data);
    } else {
      try (HostView view = HostView.writing(this)) {
        work.on(view.segment());
        view.commit();
      }
    }
    Reachability.keep(this);
    return this;
  }

  private void read(HostWork work) {
    if (device.hasHostMemory()) {
      work.on(data);
    } else {
      try (HostView view = HostView.reading(this)) {
        work.on(view.segment());
      }
    }
    Reachability.keep(this);
  }

  /**
   * Copies the elements of another tensor of the same shape, converting between floating-point
   * dtypes. The two may share memory, and may be of different devices with the same owner.
   *
   * @return this
   * @throws NullPointerException if source is null
   * @throws IllegalArgumentException if the shapes differ, or exactly one of the dtypes is int32
   * @throws UnsupportedOperationException if this tensor is read-only
   * @throws IllegalStateException if one of the tensors was closed
   * @throws WrongThreadException if another thread owns one of the devices
   */
  public Tensor copyFrom(Tensor source) {
    Preconditions.present(source, "source").requireUsable("source");
    requireWritable();
    if (!Arrays.equals(source.layout.shape(), layout.shape())) {
      throw new IllegalArgumentException(
          "source has shape "
              + Arrays.toString(source.layout.shape())
              + "; "
              + Arrays.toString(layout.shape())
              + " was expected");
    }
    requireConvertible(source.dtype);
    if (!copiedByDevice(source)) {
      // The source's host view is taken before anything is written: the two may share memory.
      source.read(from -> write(memory -> Elements.copy(from, source.layout, memory, layout)));
    }
    Reachability.keep(source, this);
    return this;
  }

  private boolean copiedByDevice(Tensor source) {
    if (device.hasHostMemory()
        || !device.equals(source.device)
        || !DeviceCopies.serves(source.data, source.layout, data, layout)) {
      return false;
    }
    NativeCalls.check(
        Lvx.lvx_tensor_copy(
            device.handle(),
            Internals.input(source, device, "source"),
            Internals.output(this, device, "tensor")));
    return true;
  }

  private void requireConvertible(DType source) {
    if (source.isFloating() != dtype.isFloating()) {
      throw new IllegalArgumentException(
          "source is " + source + ", which is not converted to " + dtype);
    }
  }

  /**
   * The elements in logical row-major order, rounded where the dtype is float64.
   *
   * @throws IllegalStateException if the tensor was closed, is int32, or has more elements than an
   *     array can hold
   * @throws WrongThreadException if another thread owns the device
   */
  public float[] toFloats() {
    float[] values = new float[requireSource(true)];
    read(memory -> Elements.load(memory, layout, values));
    return values;
  }

  /**
   * The elements in logical row-major order.
   *
   * @throws IllegalStateException if the tensor was closed, is int32, or has more elements than an
   *     array can hold
   * @throws WrongThreadException if another thread owns the device
   */
  public double[] toDoubles() {
    double[] values = new double[requireSource(true)];
    read(memory -> Elements.load(memory, layout, values));
    return values;
  }

  /**
   * The elements of an int32 tensor in logical row-major order.
   *
   * @throws IllegalStateException if the tensor was closed, is not int32, or has more elements than
   *     an array can hold
   * @throws WrongThreadException if another thread owns the device
   */
  public int[] toInts() {
    int[] values = new int[requireSource(false)];
    read(memory -> Elements.load(memory, layout, values));
    return values;
  }

  /**
   * Frees the memory that the tensor owns. Segments that {@link #segment} returned become
   * inaccessible, and views unusable. A view owns nothing and may be left to the garbage collector.
   *
   * <p>Closing it again does nothing.
   *
   * @throws IllegalStateException if another thread is using a segment of it in a native call
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    device.requireOwner("tensor");
    if (closed) {
      return;
    }
    resource.close();
    closed = true;
  }

  /** Whether the caller owns the memory and decides its lifetime. */
  boolean isWrapped() {
    return wrapped;
  }

  Layout layout() {
    return layout;
  }

  /** Memory from the first element on; zero-length on a GPU. */
  MemorySegment data() {
    return data;
  }

  /** Whether the elements are contiguous in row-major order. */
  boolean isCompact() {
    return layout.isCompact();
  }

  /** Whether some memory between the first and the last element is not this tensor's. */
  boolean hasGaps() {
    return layout.hasGaps();
  }

  /** Copies bytes to or from the device's memory, after all enqueued work, and waits. */
  void copyBytes(MemorySegment from, MemorySegment to, long bytes) {
    if (bytes > 0) {
      NativeCalls.check(Lvx.lvx_device_copy(device.handle(), from, to, bytes));
      Reachability.keep(this);
    }
  }

  /**
   * The same struct, as a segment that also keeps this tensor's memory open during a native call.
   */
  MemorySegment keptOpenBy(MemorySegment struct) {
    return Pointers.livingWith(struct, data);
  }

  /** The descriptor for native calls. Checks first that the call may use the tensor. */
  MemorySegment descriptorFor(Device expected, String name) {
    requireUsable(name);
    if (device != expected) {
      throw new IllegalArgumentException(
          name + " is on another device; all tensors of a call are expected on one device");
    }
    return descriptor;
  }

  /** Checks that it is open and owned by this thread; {@code name} is for messages. */
  void requireUsable(String name) {
    device.requireUsable(name);
    if (closed) {
      throw new IllegalStateException(name + ": the tensor was closed; an open one was expected");
    }
    for (Tensor above = parent; above != null; above = above.parent) {
      if (above.closed) {
        throw new IllegalStateException(
            name + ": the tensor that it is a view of was closed; an open one was expected");
      }
    }
    if (wrapped) {
      requireAccessible(data, name);
    }
  }

  private static void requireAccessible(MemorySegment segment, String name) {
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException(
          name + ": the segment's arena was closed; an open one was expected");
    }
    if (!segment.isAccessibleBy(Thread.currentThread())) {
      throw new WrongThreadException(
          name
              + ": the segment is confined to another thread; one that thread "
              + Thread.currentThread().getName()
              + " can access was expected");
    }
  }

  void requireWritable() {
    requireUsable("tensor");
    if (isReadOnly()) {
      throw new UnsupportedOperationException("tensor: it wraps a read-only segment");
    }
  }

  private void requireTarget(int length, boolean floating, String name) {
    requireWritable();
    if (dtype.isFloating() != floating) {
      throw new IllegalArgumentException(
          name
              + " holds "
              + (floating ? "floating-point numbers" : "integers")
              + ", which are not converted to "
              + dtype);
    }
    if (length != layout.elements()) {
      throw new IllegalArgumentException(
          name
              + " has "
              + length
              + " elements; "
              + layout.elements()
              + " were expected for shape "
              + Arrays.toString(layout.shape()));
    }
  }

  private int requireSource(boolean floating) {
    requireUsable("tensor");
    if (dtype.isFloating() != floating) {
      throw new IllegalStateException(
          "tensor: it is "
              + dtype
              + "; "
              + (floating ? "a floating-point dtype" : "int32")
              + " was expected");
    }
    if (layout.elements() > Integer.MAX_VALUE - 8) {
      throw new IllegalStateException(
          "tensor: its " + layout.elements() + " elements do not fit an array; slice it");
    }
    return (int) layout.elements();
  }

  private Tensor view(Layout part, long offset) {
    return new Tensor(
        device, dtype, part, Pointers.behind(data, offset), TensorResource.Origin.VIEW, this, 0);
  }

  @Override
  public String toString() {
    return "Tensor[" + dtype + " " + Arrays.toString(layout.shape()) + (closed ? ", closed]" : "]");
  }
}
