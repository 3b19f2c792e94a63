// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.PeerMismatchException;
import org.lvxattn.UnsupportedRequestException;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.internal.ffi.Failures;
import org.lvxattn.internal.ffi.NativeCalls;
import org.lvxattn.internal.ffi.Texts;
import org.lvxattn.internal.handle.Handles;
import org.lvxattn.launch.Rendezvous;

/** A rank that listens for the other processes of a future group and is not connected yet. */
final class ProcessBootstrap implements AutoCloseable {
  private final long handle;
  private final int rank;
  private final int size;
  private final GroupOptions options;

  private ProcessBootstrap(
      Begin begin, int rank, int size, @Nullable String host, GroupOptions options) {
    this.rank = rank;
    this.size = size;
    this.options = options;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ValueLayout.JAVA_LONG);
      MemorySegment name = Texts.optional(host, arena, "host");
      NativeCalls.check(begin.call(rank, size, name, options.toNative(arena), result));
      handle = result.get(ValueLayout.JAVA_LONG, 0);
    }
  }

  /** How a backend makes a rank reachable. */
  private interface Begin {
    int call(int rank, int size, MemorySegment host, MemorySegment options, MemorySegment result);
  }

  static ProcessBootstrap gloo(int rank, int size, @Nullable String host, GroupOptions options) {
    return new ProcessBootstrap(Lvx::lvx_gloo_begin, rank, size, host, options);
  }

  static ProcessBootstrap nccl(int rank, int size, @Nullable String host, GroupOptions options) {
    return new ProcessBootstrap(Lvx::lvx_nccl_begin, rank, size, host, options);
  }

  /** Exchanges the addresses of all ranks by the rendezvous, and connects to them. */
  Group meet(Device device, Rendezvous rendezvous) {
    byte[] mine = address();
    List<byte[]> all =
        rendezvous.allGatherAddresses(rank, size, mine, options.timeout(), options.secret());
    requireAddresses(all, mine.length);
    long bootstrap = handle;
    try (InterruptibleCall call =
        new InterruptibleCall(reason -> Lvx.lvx_bootstrap_interrupt(bootstrap, reason))) {
      return PlatformThreads.run(call, () -> connect(device, all, call));
    }
  }

  private byte[] address() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment length = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_bootstrap_address(handle, MemorySegment.NULL, 0, length));
      MemorySegment address = arena.allocate(length.get(ValueLayout.JAVA_LONG, 0));
      NativeCalls.check(Lvx.lvx_bootstrap_address(handle, address, address.byteSize(), length));
      return address.toArray(ValueLayout.JAVA_BYTE);
    }
  }

  /** Checks the addresses, since a rendezvous may be user code. */
  private void requireAddresses(@Nullable List<byte[]> addresses, int length) {
    int count = addresses == null ? 0 : addresses.size();
    if (addresses == null || count != size) {
      throw new IllegalStateException(
          "the rendezvous gave "
              + count
              + (count == 1 ? " address; " : " addresses; ")
              + size
              + (size == 1 ? " was expected" : " were expected"));
    }
    for (int rank = 0; rank < size; rank++) {
      byte[] address = addresses.get(rank);
      if (address == null || address.length != length) {
        throw Failures.join(
            "address of rank "
                + rank
                + ": the rendezvous gave "
                + (address == null ? "null" : address.length + " bytes")
                + ", and this rank's has "
                + length
                + "; do they run different versions of lvxattn, or join by different backends?",
            rank);
      }
    }
  }

  private Group connect(Device device, List<byte[]> addresses, InterruptibleCall call) {
    try (Arena arena = Arena.ofConfined()) {
      long bytes = addresses.stream().mapToLong(address -> address.length).sum();
      MemorySegment all = arena.allocate(Math.max(bytes, 1));
      long offset = 0;
      for (byte[] address : addresses) {
        MemorySegment.copy(address, 0, all, ValueLayout.JAVA_BYTE, offset, address.length);
        offset += address.length;
      }
      MemorySegment group = arena.allocate(ValueLayout.JAVA_LONG);
      int status;
      call.begin();
      try {
        status = Lvx.lvx_bootstrap_connect(handle, Handles.handle(device), all, bytes, group);
      } finally {
        call.end();
      }
      RejectedConnections.log(rank);
      try {
        NativeCalls.check(status);
      } catch (UnsupportedRequestException e) {
        throw e;
      } catch (IllegalArgumentException e) {
        // Only what the other ranks sent can be wrong here, not an argument of the caller.
        RuntimeException misfit =
            Failures.join(String.valueOf(e.getMessage()), NativeCalls.lastRank());
        misfit.initCause(e);
        throw misfit;
      } catch (PeerMismatchException e) {
        RuntimeException misfit = Failures.join(String.valueOf(e.getMessage()), e.rank());
        misfit.initCause(e);
        throw misfit;
      }
      return new Group(device, group.get(ValueLayout.JAVA_LONG, 0), options);
    }
  }

  @Override
  public void close() {
    NativeCalls.check(Lvx.lvx_bootstrap_close(handle));
  }
}
