// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Preconditions;

/**
 * Keys and values of this rank's text rows of one layer, which decoding extends row by row. It has
 * room for {@code [batch, capacity, heads, headDim]}, of which the first rows are filled. Keys are
 * already rotated.
 */
public final class TextCache implements AutoCloseable {
  private final Tensor keys;
  private final Tensor values;
  private final int heads;
  private final int headDim;
  private long rows;

  private TextCache(Tensor keys, Tensor values, int heads, int headDim) {
    this.keys = keys;
    this.values = values;
    this.heads = heads;
    this.headDim = headDim;
  }

  /**
   * Allocates an empty cache.
   *
   * @param device where to allocate
   * @param dtype of the text rows
   * @param batch number of batch items
   * @param capacity rows of each item that there is room for
   * @param heads number of key and value heads
   * @param headDim elements of a head
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public static TextCache allocate(
      Device device, DType dtype, long batch, long capacity, int heads, int headDim) {
    long width =
        (long) Preconditions.positive(heads, "heads") * Preconditions.positive(headDim, "headDim");
    Tensor keys = Tensor.allocate(device, dtype, batch, capacity, width);
    try {
      Tensor values = Tensor.allocate(device, dtype, batch, capacity, width);
      return new TextCache(keys, values, heads, headDim);
    } catch (RuntimeException e) {
      keys.close();
      throw e;
    }
  }

  /** Filled rows of each item. */
  public long rows() {
    return rows;
  }

  /** Rows of each item that there is room for. */
  public long capacity() {
    return keys.dimension(1);
  }

  /** A view of the filled keys, {@code [batch, rows, heads, headDim]}. */
  public Tensor keys() {
    return Heads.split(keysAnd(0), heads, headDim);
  }

  /** A view of the filled values, {@code [batch, rows, heads, headDim]}. */
  public Tensor values() {
    return Heads.split(valuesAnd(0), heads, headDim);
  }

  /**
   * Appends rows to those that are filled.
   *
   * @param k {@code [batch, rows, heads, headDim]}, rotated
   * @param v as k
   * @throws IllegalArgumentException if shapes differ or there is no room
   */
  public void append(Tensor k, Tensor v) {
    long added = k.dimension(1);
    copy(k, keysAnd(added));
    copy(v, valuesAnd(added));
    advance(added);
  }

  private void copy(Tensor from, Tensor to) {
    Heads.split(to.slice(1, rows, to.dimension(1)), heads, headDim).copyFrom(from);
  }

  /**
   * A view of the filled keys and of room for more rows, [batch, rows + added, heads * headDim].
   */
  Tensor keysAnd(long added) {
    return first(keys, added);
  }

  /** As {@link #keysAnd}, for values. */
  Tensor valuesAnd(long added) {
    return first(values, added);
  }

  /** Counts rows that were written as filled. */
  void advance(long added) {
    rows += added;
  }

  private Tensor first(Tensor whole, long added) {
    Preconditions.require(
        added <= capacity() - rows,
        "the cache has room for "
            + capacity()
            + " rows, of which "
            + rows
            + " are filled; "
            + added
            + " more do not fit");
    return whole.slice(1, 0, rows + added);
  }

  /**
   * Frees the memory. Closing again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    keys.close();
    values.close();
  }
}
