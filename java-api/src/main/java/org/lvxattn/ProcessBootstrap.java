// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.bindings.generated.Lvx;

/** A rank that can be reached, by processes that are to form a group, and is not yet connected. */
final class ProcessBootstrap implements AutoCloseable {
  private final long handle;
  private final int size;
  private final GroupOptions options;

  private ProcessBootstrap(
      Begin begin, int rank, int size, @Nullable String host, GroupOptions options) {
    this.size = size;
    this.options = options;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ValueLayout.JAVA_LONG);
      MemorySegment name = Arguments.optionalText(host, arena, "host");
      NativeCalls.check(begin.call(rank, size, name, options.toNative(arena), result));
      handle = result.get(ValueLayout.JAVA_LONG, 0);
    }
  }

  /** How an engine makes a rank reachable. */
  private interface Begin {
    int call(int rank, int size, MemorySegment host, MemorySegment options, MemorySegment result);
  }

  static ProcessBootstrap gloo(int rank, int size, @Nullable String host, GroupOptions options) {
    return new ProcessBootstrap(Lvx::lvx_gloo_begin, rank, size, host, options);
  }

  static ProcessBootstrap nccl(int rank, int size, @Nullable String host, GroupOptions options) {
    return new ProcessBootstrap(Lvx::lvx_nccl_begin, rank, size, host, options);
  }

  /** Tells all ranks' addresses to all by the rendezvous, and connects to them. */
  Group meet(Device device, int rank, Rendezvous rendezvous) {
    return connect(device, rendezvous.allGather(rank, size, address(), options.deadline()));
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

  private Group connect(Device device, List<byte[]> addresses) {
    if (addresses.size() != size) {
      throw new IllegalStateException(
          "the rendezvous gave " + addresses.size() + " addresses; " + size + " were expected");
    }
    try (Arena arena = Arena.ofConfined()) {
      long bytes = addresses.stream().mapToLong(address -> address.length).sum();
      MemorySegment all = arena.allocate(Math.max(bytes, 1));
      long offset = 0;
      for (byte[] address : addresses) {
        MemorySegment.copy(address, 0, all, ValueLayout.JAVA_BYTE, offset, address.length);
        offset += address.length;
      }
      MemorySegment group = arena.allocate(ValueLayout.JAVA_LONG);
      NativeCalls.check(Lvx.lvx_bootstrap_connect(handle, device.handle(), all, bytes, group));
      return new Group(device, group.get(ValueLayout.JAVA_LONG, 0), options);
    }
  }

  @Override
  public void close() {
    NativeCalls.check(Lvx.lvx_bootstrap_close(handle));
  }
}
