// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.Pointers;
import org.lvxattn.bindings.generated.Lvx;

/**
 * Memory of a device with a dtype, a shape and strides.
 *
 * <p>A tensor owns its memory ({@link #allocate}), describes memory of the caller ({@link #wrap}),
 * or is a view of another tensor ({@link #slice}, {@link #permute}, {@link #reshape}). It is used
 * by the thread that owns its device. Sizes and strides are in elements; dimension 0 comes first in
 * row-major order.
 *
 * <p>The struct that native calls read is made once, with the tensor, so calls marshal nothing.
 *
 * <p>Memory of a GPU ({@link Device#cuda}) is no memory of the host: {@link #segment} is a mere
 * address there. Arrays go to and from it by {@link #copyFrom(float[])} and {@link #toFloats} and
 * their like, which wait; {@link HostView} shows it as the host's.
 */
public final class Tensor implements AutoCloseable {
  private final Device device;
  private final DType dtype;
  private final long[] shape;
  private final long[] strides;
  private final long elements;
  private final @Nullable Tensor parent;
  private final boolean wrapped;
  private final TensorResource resource;

  /** From the first element on; bounds are those of the memory, its lifetime that of the caller. */
  private final MemorySegment data;

  private final MemorySegment descriptor;

  /** What {@link #segment} gave out. */
  private @Nullable MemorySegment exposed;

  private boolean closed;

  private Tensor(
      Device device,
      DType dtype,
      long[] shape,
      long[] strides,
      MemorySegment data,
      TensorResource.Origin origin,
      @Nullable Tensor parent,
      long buffer) {
    this.device = device;
    this.dtype = dtype;
    this.shape = shape;
    this.strides = strides;
    this.elements = Shapes.elements(shape);
    this.data = data;
    this.parent = parent;
    this.wrapped = parent != null ? parent.wrapped : origin == TensorResource.Origin.WRAPPED;
    this.resource = new TensorResource(device.resource(), origin, buffer);
    MemorySegment struct = Descriptors.fill(resource.slot(), device, data, dtype, shape, strides);
    // A native call then keeps the caller's arena open until it returns.
    this.descriptor = wrapped ? Pointers.livingWith(struct, data) : struct;
    resource.watch(this);
  }

  /**
   * Allocates memory on a device, filled with zeros and aligned to 64 bytes.
   *
   * @param device where
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
    Arguments.present(device, "device").requireUsable("device");
    Arguments.present(dtype, "dtype");
    long[] extents = Shapes.checked(shape, dtype);
    long[] strides = Shapes.rowMajorStrides(extents);
    long bytes = Shapes.extentBytes(extents, strides, dtype);
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
          extents,
          strides,
          data,
          TensorResource.Origin.ALLOCATED,
          null,
          buffer.get(ValueLayout.JAVA_LONG, 0));
    }
  }

  /**
   * Describes memory of the caller, which stays his: closing the tensor does not free it. The
   * segment's arena cannot be closed while a call of this library uses the memory; once it was
   * closed, the tensor can only be closed.
   *
   * @param device a device that can use the memory
   * @param segment native memory that begins with the first element, aligned to the dtype; if it is
   *     read-only, so is the tensor. On a GPU: a zero-length segment whose address is memory of
   *     that GPU, for instance of a tensor of another framework, which stays as large as the shape
   *     says
   * @param dtype type of the elements
   * @param shape extents, each 0 or more; at most 8
   * @param strides distance between neighbours along each dimension, each 0 or more; null for
   *     compact row-major order
   * @throws NullPointerException if an argument other than strides is null
   * @throws IllegalArgumentException if the segment lies on the heap, is too small or not aligned,
   *     is the host's and the device a GPU, or if shape or strides are wrong
   * @throws IllegalStateException if the device or the segment's arena was closed
   * @throws WrongThreadException if another thread owns the device, or the segment is confined to
   *     another thread
   */
  public static Tensor wrap(
      Device device, MemorySegment segment, DType dtype, long[] shape, long @Nullable [] strides) {
    Arguments.present(device, "device").requireUsable("device");
    Arguments.present(segment, "segment");
    Arguments.present(dtype, "dtype");
    long[] extents = Shapes.checked(shape, dtype);
    if (!segment.isNative()) {
      throw new IllegalArgumentException(
          "segment lies on the Java heap; native memory was expected, for instance of an Arena");
    }
    requireAccessible(segment, "segment");
    long[] distances = strides == null ? Shapes.rowMajorStrides(extents) : strides.clone();
    if (distances.length != extents.length) {
      throw new IllegalArgumentException(
          "strides has "
              + distances.length
              + " entries; one for each of the "
              + extents.length
              + " dimensions was expected");
    }
    for (int i = 0; i < distances.length; i++) {
      if (distances[i] < 0) {
        throw new IllegalArgumentException(
            "strides[" + i + "] is " + distances[i] + "; 0 or more was expected");
      }
    }
    long bytes = Shapes.extentBytes(extents, distances, dtype);
    boolean external = !device.hasHostMemory();
    if (external && bytes > 0) {
      requireMemoryOf(device, segment);
    }
    // The size of foreign memory is its owner's word.
    if (segment.byteSize() < bytes && !(external && segment.byteSize() == 0)) {
      throw new IllegalArgumentException(
          "segment has "
              + segment.byteSize()
              + " bytes; at least "
              + bytes
              + " were expected for shape "
              + Arrays.toString(extents)
              + " and strides "
              + Arrays.toString(distances)
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
    return new Tensor(
        device, dtype, extents, distances, segment, TensorResource.Origin.WRAPPED, null, 0);
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
    return shape.length;
  }

  /**
   * Extent of one dimension.
   *
   * @throws IllegalArgumentException if there is no such dimension
   */
  public long dimension(int dimension) {
    requireDimension(dimension);
    return shape[dimension];
  }

  /** A copy of the extents. */
  public long[] shape() {
    return shape.clone();
  }

  /** A copy of the strides, in elements. */
  public long[] strides() {
    return strides.clone();
  }

  /** Number of elements: the product of the extents. */
  public long elements() {
    return elements;
  }

  /** Whether this describes memory that cannot be written. */
  public boolean isReadOnly() {
    return data.isReadOnly();
  }

  /**
   * The memory itself. For a tensor that owns its memory: all of it, accessible by any thread until
   * the tensor is closed. For one that wraps a segment: that segment. For a view: the same from the
   * view's first element on. Reads and writes through it are not ordered against other threads.
   *
   * <p>On a GPU its length is zero: an address for native code, which Java cannot read or write;
   * every attempt is an {@link IndexOutOfBoundsException}. {@link HostView} has the numbers.
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
   * this tensor and cannot be used once this one was closed.
   *
   * @throws IllegalArgumentException if there is no such dimension or range
   * @throws IllegalStateException if the tensor was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor slice(int dimension, long from, long to) {
    requireUsable("tensor");
    requireDimension(dimension);
    if (from < 0 || from > to || to > shape[dimension]) {
      throw new IllegalArgumentException(
          "from "
              + from
              + " to "
              + to
              + " is no range of dimension "
              + dimension
              + "; 0 <= from <= to <= "
              + shape[dimension]
              + " was expected");
    }
    long[] extents = shape.clone();
    extents[dimension] = to - from;
    // Where nothing is left, the first element may lie beyond the end.
    long offset = Shapes.elements(extents) == 0 ? 0 : from * strides[dimension] * dtype.bytes();
    return view(extents, strides.clone(), offset);
  }

  /**
   * A view with the dimensions in another order: dimension {@code i} of it is dimension {@code
   * order[i]} of this tensor. It shares memory with this tensor and cannot be used once this one
   * was closed.
   *
   * @throws NullPointerException if order is null
   * @throws IllegalArgumentException if order does not name each dimension once
   * @throws IllegalStateException if the tensor was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor permute(int... order) {
    requireUsable("tensor");
    Arguments.present(order, "order");
    boolean[] seen = new boolean[shape.length];
    boolean valid = order.length == shape.length;
    for (int i = 0; valid && i < order.length; i++) {
      valid = order[i] >= 0 && order[i] < seen.length && !seen[order[i]];
      if (valid) {
        seen[order[i]] = true;
      }
    }
    if (!valid) {
      throw new IllegalArgumentException(
          "order is "
              + Arrays.toString(order)
              + "; each of the dimensions 0 to "
              + (shape.length - 1)
              + " once was expected");
    }
    long[] extents = new long[shape.length];
    long[] distances = new long[shape.length];
    for (int i = 0; i < order.length; i++) {
      extents[i] = shape[order[i]];
      distances[i] = strides[order[i]];
    }
    return view(extents, distances, 0);
  }

  /**
   * A view of the same elements, in the same logical row-major order, under another shape: {@code
   * [batch, rows, heads * headDim]} of {@code [batch, rows, heads, headDim]}, for instance. Nothing
   * is copied, so dimensions that are joined must lie evenly. It shares memory with this tensor and
   * cannot be used once this one was closed.
   *
   * @param shape extents, each 0 or more; at most 8; as many elements as this tensor has
   * @throws NullPointerException if shape is null
   * @throws IllegalArgumentException if shape is wrong, has another number of elements, or the
   *     strides of this tensor allow no view of that shape; a copy into a new tensor does then
   * @throws IllegalStateException if the tensor was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public Tensor reshape(long... shape) {
    requireUsable("tensor");
    long[] extents = Shapes.checked(shape, dtype);
    if (Shapes.elements(extents) != elements) {
      throw new IllegalArgumentException(
          "shape "
              + Arrays.toString(extents)
              + " has "
              + Shapes.elements(extents)
              + " elements; the "
              + elements
              + " of shape "
              + Arrays.toString(this.shape)
              + " were expected");
    }
    long[] distances = Shapes.reshapedStrides(this.shape, strides, extents);
    if (distances == null) {
      throw new IllegalArgumentException(
          "shape "
              + Arrays.toString(extents)
              + " joins dimensions that do not lie evenly: strides "
              + Arrays.toString(strides)
              + " of shape "
              + Arrays.toString(this.shape)
              + "; a shape that keeps them apart was expected, or a compact tensor");
    }
    return view(extents, distances, 0);
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
    requireTarget(Arguments.present(source, "source").length, true);
    return write(memory -> Elements.store(memory, dtype, shape, strides, source));
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
    requireTarget(Arguments.present(source, "source").length, true);
    return write(memory -> Elements.store(memory, dtype, shape, strides, source));
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
    requireTarget(Arguments.present(source, "source").length, false);
    return write(memory -> Elements.store(memory, dtype, shape, strides, source));
  }

  /**
   * Fills the tensor from host memory, converting between floating-point dtypes, rounding to
   * nearest even where the tensor's is narrower.
   *
   * @param source compact row-major elements, as many as the tensor has, aligned to their dtype
   * @param sourceType their dtype
   * @return this
   * @throws NullPointerException if an argument is null
   * @throws IllegalArgumentException if source has another size or is not aligned, or just one of
   *     the dtypes is int32
   * @throws UnsupportedOperationException if the tensor is read-only
   * @throws IllegalStateException if the tensor or the segment's arena was closed
   * @throws WrongThreadException if another thread owns the device, or the segment is confined to
   *     another thread
   */
  public Tensor copyFrom(MemorySegment source, DType sourceType) {
    Arguments.present(source, "source");
    Arguments.present(sourceType, "sourceType");
    requireWritable();
    requireAccessible(source, "source");
    requireConvertible(sourceType);
    if (source.byteSize() != elements * sourceType.bytes()) {
      throw new IllegalArgumentException(
          "source has "
              + source.byteSize()
              + " bytes; "
              + elements * sourceType.bytes()
              + " were expected for shape "
              + Arrays.toString(shape)
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
    long[] compact = Shapes.rowMajorStrides(shape);
    return write(
        memory -> Elements.copy(source, sourceType, compact, memory, dtype, strides, shape));
  }

  /**
   * Copies bytes of pinned memory into this tensor, ordered as the device's other work. On a GPU it
   * returns before that is done: leave the memory alone until {@link Device#synchronize}.
   *
   * @param source of the same device
   * @param offset of the first element's bytes in it
   * @return this
   * @throws NullPointerException if source is null
   * @throws IllegalArgumentException if source is too small from there on or of another device, or
   *     the tensor is not compact row-major
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
   * Copies this tensor's bytes into pinned memory, ordered as the device's other work. On a GPU it
   * returns before that is done: they are there after {@link Device#synchronize}.
   *
   * @param target of the same device
   * @param offset where the first element's bytes go
   * @throws NullPointerException if target is null
   * @throws IllegalArgumentException if target is too small from there on or of another device, or
   *     the tensor is not compact row-major
   * @throws IllegalStateException if one of the two was closed
   * @throws WrongThreadException if another thread owns the device
   */
  public void copyTo(PinnedMemory target, long offset) {
    requireUsable("tensor");
    beginCopy(data, pinned(target, offset, "target"));
  }

  private MemorySegment pinned(PinnedMemory memory, long offset, String name) {
    Arguments.present(memory, name).requireUsable(device, name);
    if (!isCompact()) {
      throw new IllegalArgumentException(
          "tensor: it has strides "
              + Arrays.toString(strides)
              + "; compact row-major order was expected");
    }
    long bytes = elements * dtype.bytes();
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
    NativeCalls.check(
        Lvx.lvx_device_copy_begin(device.handle(), from, to, elements * dtype.bytes()));
    Reachability.keep(this);
  }

  private interface HostWork {
    void on(MemorySegment memory);
  }

  /** Writes every element. Memory of the host needs no view, which would give it a lifetime. */
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
   * @throws IllegalArgumentException if the shapes differ, or just one of the dtypes is int32
   * @throws UnsupportedOperationException if this tensor is read-only
   * @throws IllegalStateException if one of the tensors was closed
   * @throws WrongThreadException if another thread owns one of the devices
   */
  public Tensor copyFrom(Tensor source) {
    Arguments.present(source, "source").requireUsable("source");
    requireWritable();
    if (!Arrays.equals(source.shape, shape)) {
      throw new IllegalArgumentException(
          "source has shape "
              + Arrays.toString(source.shape)
              + "; "
              + Arrays.toString(shape)
              + " was expected");
    }
    requireConvertible(source.dtype);
    if (!TensorCopies.onDevice(source, this)) {
      // The source is shown before anything is written: the two may share memory.
      source.read(
          from ->
              write(
                  memory ->
                      Elements.copy(
                          from, source.dtype, source.strides, memory, dtype, strides, shape)));
    }
    Reachability.keep(source);
    Reachability.keep(this);
    return this;
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
   *     array
   * @throws WrongThreadException if another thread owns the device
   */
  public float[] toFloats() {
    float[] values = new float[requireSource(true)];
    read(memory -> Elements.load(memory, dtype, shape, strides, values));
    return values;
  }

  /**
   * The elements in logical row-major order.
   *
   * @throws IllegalStateException if the tensor was closed, is int32, or has more elements than an
   *     array
   * @throws WrongThreadException if another thread owns the device
   */
  public double[] toDoubles() {
    double[] values = new double[requireSource(true)];
    read(memory -> Elements.load(memory, dtype, shape, strides, values));
    return values;
  }

  /**
   * The elements of an int32 tensor in logical row-major order.
   *
   * @throws IllegalStateException if the tensor was closed, is not int32, or has more elements than
   *     an array
   * @throws WrongThreadException if another thread owns the device
   */
  public int[] toInts() {
    int[] values = new int[requireSource(false)];
    read(memory -> Elements.load(memory, dtype, shape, strides, values));
    return values;
  }

  /**
   * Frees memory that the tensor owns; segments that {@link #segment} gave out become inaccessible
   * and views unusable. A view owns nothing and may be left to the garbage collector.
   *
   * @throws IllegalStateException if the tensor was closed already, or another thread is using a
   *     segment of it in a native call
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    device.requireOwner("tensor");
    if (closed) {
      throw new IllegalStateException("tensor: it was closed already");
    }
    resource.close();
    closed = true;
  }

  /** Whether the memory is the caller's, and so is its lifetime. */
  boolean isWrapped() {
    return wrapped;
  }

  /** From the first element on; of no length on a GPU. */
  MemorySegment data() {
    return data;
  }

  /** Whether elements lie side by side in row-major order. */
  boolean isCompact() {
    return Shapes.isCompact(shape, strides);
  }

  /** Whether memory between the first and the last element is not this tensor's. */
  boolean hasGaps() {
    return Shapes.extentBytes(shape, strides, dtype) != elements * dtype.bytes();
  }

  /** Moves bytes to or from the device's memory, after what it was given, and waits. */
  void copyBytes(MemorySegment from, MemorySegment to, long bytes) {
    if (bytes > 0) {
      NativeCalls.check(Lvx.lvx_device_copy(device.handle(), from, to, bytes));
      Reachability.keep(this);
    }
  }

  /** The same struct: a native call that is given it keeps this tensor's memory open, too. */
  MemorySegment keptOpenBy(MemorySegment struct) {
    return Pointers.livingWith(struct, data);
  }

  /** What native calls take, after a check that this call may use the tensor. */
  MemorySegment descriptorFor(Device expected, String name) {
    requireUsable(name);
    if (device != expected) {
      throw new IllegalArgumentException(
          name + " is on another device; all tensors of a call are expected on one device");
    }
    return descriptor;
  }

  /** Checks liveness and thread; {@code name} is the argument for the message. */
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

  private void requireDimension(int dimension) {
    if (dimension < 0 || dimension >= shape.length) {
      throw new IllegalArgumentException(
          "dimension is "
              + dimension
              + "; 0 to "
              + (shape.length - 1)
              + " was expected for shape "
              + Arrays.toString(shape));
    }
  }

  void requireWritable() {
    requireUsable("tensor");
    if (isReadOnly()) {
      throw new UnsupportedOperationException("tensor: it wraps a read-only segment");
    }
  }

  private void requireTarget(int length, boolean floating) {
    requireWritable();
    if (dtype.isFloating() != floating) {
      throw new IllegalArgumentException(
          "source holds "
              + (floating ? "floating-point numbers" : "integers")
              + ", which are not converted to "
              + dtype);
    }
    if (length != elements) {
      throw new IllegalArgumentException(
          "source has "
              + length
              + " elements; "
              + elements
              + " were expected for shape "
              + Arrays.toString(shape));
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
    if (elements > Integer.MAX_VALUE - 8) {
      throw new IllegalStateException(
          "tensor: its " + elements + " elements do not fit an array; slice it");
    }
    return (int) elements;
  }

  private Tensor view(long[] extents, long[] distances, long offset) {
    return new Tensor(
        device,
        dtype,
        extents,
        distances,
        Pointers.behind(data, offset),
        TensorResource.Origin.VIEW,
        this,
        0);
  }

  @Override
  public String toString() {
    return "Tensor[" + dtype + " " + Arrays.toString(shape) + (closed ? ", closed]" : "]");
  }
}
