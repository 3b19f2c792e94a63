// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Chooses the address by which other machines should reach a machine. */
public final class OwnAddress {
  /**
   * An address that is reserved for documentation: no host has it, and its route is the default
   * route.
   */
  private static final List<String> FAR_AWAY = List.of("192.0.2.1", "2001:db8::1");

  private static final int ANY_PORT = 9;

  private OwnAddress() {}

  /** A network interface of a machine. */
  public record Interface(String name, boolean up, boolean loopback, List<InetAddress> addresses) {
    public static List<Interface> ofThisMachine() throws IOException {
      List<Interface> all = new ArrayList<>();
      for (NetworkInterface each : Collections.list(NetworkInterface.getNetworkInterfaces())) {
        all.add(
            new Interface(
                each.getName(), each.isUp(), each.isLoopback(), each.inetAddresses().toList()));
      }
      return all;
    }
  }

  /**
   * An address of an interface.
   *
   * @param named the interface's name, in the syntax of Gloo and NCCL: comma-separated names or
   *     prefixes, of which the first with an address counts; {@code =} before the list means exact
   *     names, {@code ^} means all but these
   * @param towards an address whose family (IPv4 or IPv6) is preferred; null to prefer IPv4
   * @throws IOException if there is no such interface, or none of its addresses can be used
   */
  public static InetAddress of(
      String named, List<Interface> interfaces, @Nullable InetAddress towards) throws IOException {
    List<Interface> candidates = select(named.strip(), interfaces);
    if (candidates.isEmpty()) {
      throw new IOException(
          "no such network interface; there are "
              + String.join(", ", interfaces.stream().map(Interface::name).toList()));
    }
    for (Interface each : candidates) {
      InetAddress best = best(each.addresses, towards);
      if (best != null) {
        return best;
      }
    }
    String names = String.join(", ", candidates.stream().map(Interface::name).toList());
    boolean linkLocal = candidates.stream().anyMatch(each -> !each.addresses.isEmpty());
    throw new IOException(
        linkLocal
            ? names + " has only link-local addresses, which mean something on its own link alone"
            : names + " has no address");
  }

  private static List<Interface> select(String named, List<Interface> interfaces) {
    boolean excluded = named.startsWith("^");
    boolean exact = named.startsWith("=");
    List<String> names =
        Stream.of(named.substring(excluded || exact ? 1 : 0).split(","))
            .map(String::strip)
            .filter(name -> !name.isEmpty())
            .toList();
    if (excluded) {
      return interfaces.stream()
          .filter(each -> each.up && !each.loopback)
          .filter(each -> names.stream().noneMatch(each.name::startsWith))
          .toList();
    }
    List<Interface> found = new ArrayList<>();
    for (String name : names) {
      find(interfaces, each -> each.name.equals(name), found);
    }
    if (found.isEmpty() && !exact) {
      for (String name : names) {
        find(interfaces, each -> each.up && each.name.startsWith(name), found);
      }
    }
    return found;
  }

  private static void find(
      List<Interface> interfaces, Predicate<Interface> which, List<Interface> found) {
    interfaces.stream().filter(which).filter(each -> !found.contains(each)).forEach(found::add);
  }

  /** The best address for other machines; null if there is none. */
  private static @Nullable InetAddress best(
      List<InetAddress> addresses, @Nullable InetAddress towards) {
    boolean six = towards instanceof Inet6Address;
    return addresses.stream()
        .filter(OwnAddress::isForOthers)
        .min(Comparator.comparing(address -> address instanceof Inet6Address != six))
        .orElse(null);
  }

  private static boolean isForOthers(InetAddress address) {
    return !address.isLinkLocalAddress()
        && !address.isAnyLocalAddress()
        && !address.isMulticastAddress();
  }

  /**
   * The local address on the route to another address. Connecting a datagram socket sends nothing;
   * it only looks up the route.
   *
   * @throws IOException if there is no route to it
   */
  public static InetAddress towards(InetAddress other) throws IOException {
    try (DatagramSocket socket = new DatagramSocket()) {
      socket.connect(new InetSocketAddress(other, ANY_PORT));
      return socket.getLocalAddress();
    } catch (java.io.UncheckedIOException e) {
      throw e.getCause();
    }
  }

  /**
   * An address for other machines if no peer's address is known: the address of the default route,
   * else of the first suitable interface; null if there is none.
   */
  public static @Nullable InetAddress outward(List<Interface> interfaces) {
    for (String far : FAR_AWAY) {
      try {
        InetAddress own = towards(InetAddress.getByName(far));
        if (isForOthers(own) && !own.isLoopbackAddress()) {
          return own;
        }
      } catch (IOException e) {
        // No default route for this family.
      }
    }
    List<InetAddress> all =
        interfaces.stream()
            .filter(each -> each.up && !each.loopback)
            .flatMap(each -> each.addresses.stream())
            .toList();
    return best(all, null);
  }

  /** Text that means the same on other machines: without the interface's name. */
  public static String text(InetAddress address) {
    try {
      return InetAddress.getByAddress(address.getAddress()).getHostAddress();
    } catch (UnknownHostException e) {
      throw new IllegalStateException("an address of no length that addresses have", e);
    }
  }
}
