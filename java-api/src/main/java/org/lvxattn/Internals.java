// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.lvxattn.internal.Ownership;
import org.lvxattn.internal.Preconditions;
import org.lvxattn.internal.access.RootAccess;
import org.lvxattn.internal.collective.Collective;
import org.lvxattn.internal.ffi.Failures;
import org.lvxattn.internal.memory.DeviceResource;
import org.lvxattn.internal.memory.ElementType;

/**
 * The native side of this package's classes, for this package and, by hooks, for other packages.
 */
final class Internals {
  static {
    Failures.HOOK.install(new Exceptions());
    RootAccess.HOOK.install(new Access());
  }

  private Internals() {}

  /** The descriptor of an input tensor. */
  static MemorySegment input(@Nullable Tensor tensor, Device device, String name) {
    return Preconditions.present(tensor, name).descriptorFor(device, name);
  }

  /** As {@link #input}, or a null pointer where there is no tensor. */
  static MemorySegment optionalInput(@Nullable Tensor tensor, Device device, String name) {
    return tensor == null ? MemorySegment.NULL : tensor.descriptorFor(device, name);
  }

  /** The descriptor of an output tensor. */
  static MemorySegment output(@Nullable Tensor tensor, Device device, String name) {
    Tensor target = Preconditions.present(tensor, name);
    MemorySegment descriptor = target.descriptorFor(device, name);
    if (target.isReadOnly()) {
      throw new IllegalArgumentException(
          name + " wraps a read-only segment; an output that can be written was expected");
    }
    return descriptor;
  }

  /** As {@link #output}, or a null pointer where there is no tensor. */
  static MemorySegment optionalOutput(@Nullable Tensor tensor, Device device, String name) {
    return tensor == null ? MemorySegment.NULL : output(tensor, device, name);
  }

  /** Maps native failures to exceptions. */
  private static final class Exceptions implements Failures {
    @Override
    public RuntimeException of(
        int number, String message, int rank, long sequence, String operation) {
      Status status = Status.of(number);
      return switch (status) {
        case INVALID_ARGUMENT -> new IllegalArgumentException(message);
        case UNSUPPORTED -> new UnsupportedRequestException(message);
        case INVALID_HANDLE, INVALID_STATE -> new IllegalStateException(message);
        case OUT_OF_MEMORY -> new OutOfDeviceMemoryException(message);
        case TIMEOUT -> new PeerTimeoutException(message, rank, sequence, operation);
        case PEER_LOST -> new PeerLostException(message, rank, sequence, operation);
        case PEER_MISMATCH -> new PeerMismatchException(message, rank, sequence, operation);
        case INTERRUPTED -> new GroupInterruptedException(message);
        case DEVICE_ERROR -> new DeviceFailedException(message);
        case OK, MISSING_LIBRARY, INTERNAL, JOIN_FAILED -> new LvxException(status, message);
      };
    }

    @Override
    public RuntimeException timedOut(String message, int rank) {
      return new PeerTimeoutException(message, rank, 0, "rendezvous");
    }

    @Override
    public RuntimeException interrupted(String message) {
      return new GroupInterruptedException(message);
    }

    @Override
    public RuntimeException joinFailed(String message, int rank) {
      return new GroupJoinException(message, rank);
    }
  }

  /** Casts are safe: the only caller, org.lvxattn.internal.handle, has typed parameters. */
  private static final class Access implements RootAccess {
    @Override
    public void requireUsableDevice(Object device, String name) {
      ((Device) device).requireUsable(name);
    }

    @Override
    public void requireOwner(Object device, String name) {
      ((Device) device).requireOwner(name);
    }

    @Override
    public boolean isOpen(Object device) {
      return ((Device) device).isOpen();
    }

    @Override
    public long handle(Object device) {
      return ((Device) device).handle();
    }

    @Override
    public Ownership ownership(Object device) {
      return ((Device) device).ownership();
    }

    @Override
    public DeviceResource resource(Object device) {
      return ((Device) device).resource();
    }

    @Override
    public void requireUsableTensor(Object tensor, String name) {
      ((Tensor) tensor).requireUsable(name);
    }

    @Override
    public MemorySegment input(@Nullable Object tensor, Object device, String name) {
      return Internals.input((Tensor) tensor, (Device) device, name);
    }

    @Override
    public MemorySegment output(@Nullable Object tensor, Object device, String name) {
      return Internals.output((Tensor) tensor, (Device) device, name);
    }

    @Override
    public boolean isWrapped(Object tensor) {
      return ((Tensor) tensor).isWrapped();
    }

    @Override
    public MemorySegment keptOpenBy(Object tensor, MemorySegment struct) {
      return ((Tensor) tensor).keptOpenBy(struct);
    }

    @Override
    public ElementType element(Object dtype) {
      return ((DType) dtype).element();
    }

    @Override
    public Collective collective(Object communicator) {
      return ((Communicator) communicator).collective();
    }

    @Override
    public void read(Object statistics, MemorySegment struct) {
      ((Statistics) statistics).read(struct);
    }

    @Override
    public Object status(int number) {
      return Status.of(number);
    }
  }
}
