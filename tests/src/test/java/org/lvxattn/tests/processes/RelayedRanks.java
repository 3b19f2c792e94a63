// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests.processes;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.lvxattn.CpuOptions;
import org.lvxattn.Device;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;

/** Ranks over TCP in threads of this process; connections to rank 0 go through a relay. */
final class RelayedRanks implements AutoCloseable {
  /** Offset of the port in a rank's address. */
  private static final int PORT_OFFSET = 42;

  private final byte[][] addresses;
  private final Consumer<byte[]> change;
  private final CyclicBarrier allHere;
  private @Nullable Relay relay;

  /**
   * Creates ranks.
   *
   * @param change modifies the data of a connection to rank 0, in pieces, before the relay forwards
   *     them
   */
  RelayedRanks(int size, Consumer<byte[]> change) {
    this.addresses = new byte[size][];
    this.change = change;
    this.allHere = new CyclicBarrier(size, this::putRelayBeforeRankZero);
  }

  /** The future of each rank, in their order. */
  <T> List<FutureTask<T>> start(GroupOptions options, BiFunction<Device, Group, T> body) {
    List<FutureTask<T>> ranks = new ArrayList<>();
    for (int rank = 0; rank < addresses.length; rank++) {
      int number = rank;
      ranks.add(new FutureTask<>(() -> run(number, options, body)));
      Thread.ofPlatform().daemon().start(ranks.getLast());
    }
    return ranks;
  }

  private <T> T run(int rank, GroupOptions options, BiFunction<Device, Group, T> body) {
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Group group =
            Group.gloo(device, rank, addresses.length, this::meet, "127.0.0.1", options)) {
      return body.apply(device, group);
    }
  }

  private List<byte[]> meet(int rank, int size, byte[] mine, Duration timeout) {
    addresses[rank] = mine.clone();
    try {
      allHere.await(timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (Exception e) {
      throw new IllegalStateException("not all ranks came", e);
    }
    return List.of(addresses);
  }

  private void putRelayBeforeRankZero() {
    ByteBuffer address = ByteBuffer.wrap(addresses[0]).order(ByteOrder.nativeOrder());
    try {
      relay = new Relay(Short.toUnsignedInt(address.getShort(PORT_OFFSET)), change);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    address.putShort(PORT_OFFSET, (short) relay.port());
  }

  /** The first bytes of each connection to rank 0. */
  List<byte[]> said() {
    return relay == null ? List.of() : relay.said();
  }

  @Override
  public void close() throws IOException {
    if (relay != null) {
      relay.close();
    }
  }
}
