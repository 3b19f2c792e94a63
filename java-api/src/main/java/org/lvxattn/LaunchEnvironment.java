// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** What the launcher of this process has written into its environment. */
record LaunchEnvironment(Kind kind, int rank, int size, String masterHost, int masterPort) {
  private static final List<String> MPI_SIZES = List.of("OMPI_COMM_WORLD_SIZE", "PMI_SIZE");
  private static final List<String> GLOO =
      List.of("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT");

  /** Names the network interface to use, as in PyTorch. */
  private static final String INTERFACE = "GLOO_SOCKET_IFNAME";

  enum Kind {
    SELF,
    GLOO,
    MPI
  }

  /**
   * Reads it.
   *
   * @throws IllegalStateException naming a variable that is missing or makes no sense
   */
  static LaunchEnvironment read(UnaryOperator<@Nullable String> variables) {
    int size = number(variables, "WORLD_SIZE", 1, Integer.MAX_VALUE, 0);
    if (size > 1 || (size == 0 && variables.apply("RANK") != null)) {
      for (String name : GLOO) {
        if (variables.apply(name) == null) {
          throw new IllegalStateException(
              "environment variable "
                  + name
                  + " is missing; a group of several processes needs "
                  + String.join(", ", GLOO));
        }
      }
      return new LaunchEnvironment(
          Kind.GLOO,
          number(variables, "RANK", 0, size - 1, 0),
          size,
          String.valueOf(variables.apply("MASTER_ADDR")),
          number(variables, "MASTER_PORT", 1, 65535, 0));
    }
    boolean mpi =
        size == 0
            && MPI_SIZES.stream().anyMatch(n -> number(variables, n, 1, Integer.MAX_VALUE, 1) > 1);
    return new LaunchEnvironment(mpi ? Kind.MPI : Kind.SELF, 0, 1, "", 0);
  }

  private static int number(
      UnaryOperator<@Nullable String> variables, String name, int least, int most, int absent) {
    String value = variables.apply(name);
    if (value == null) {
      return absent;
    }
    try {
      int number = Integer.parseInt(value.trim());
      if (number >= least && number <= most) {
        return number;
      }
    } catch (NumberFormatException e) {
      throw new IllegalStateException(
          "environment variable " + name + " is '" + value + "'; a number was expected", e);
    }
    throw new IllegalStateException(
        "environment variable "
            + name
            + " is "
            + value
            + "; "
            + (most == Integer.MAX_VALUE ? least + " or more" : least + " to " + most)
            + " was expected");
  }

  /**
   * The address of this machine by which the others reach it: that of the interface that {@code
   * GLOO_SOCKET_IFNAME} names, else the one from which rank 0's machine is reached.
   */
  String ownHost(UnaryOperator<@Nullable String> variables) {
    String name = variables.apply(INTERFACE);
    try {
      return name == null ? towardsMaster() : addressOf(name);
    } catch (IOException e) {
      throw new IllegalStateException(
          "environment variable "
              + (name == null ? "MASTER_ADDR is '" + masterHost : INTERFACE + " is '" + name)
              + "', which this machine cannot use: "
              + e.getMessage(),
          e);
    }
  }

  /** Connecting a datagram socket sends nothing; it only asks for the route. */
  private String towardsMaster() throws IOException {
    try (DatagramSocket socket = new DatagramSocket()) {
      InetSocketAddress master = new InetSocketAddress(masterHost, masterPort);
      if (master.isUnresolved()) {
        throw new IOException("unknown host");
      }
      socket.connect(master);
      return socket.getLocalAddress().getHostAddress();
    }
  }

  private static String addressOf(String name) throws IOException {
    NetworkInterface network = NetworkInterface.getByName(name);
    if (network == null) {
      throw new IOException("no such network interface");
    }
    return network
        .inetAddresses()
        .map(InetAddress::getHostAddress)
        .findFirst()
        .orElseThrow(() -> new IOException("the interface has no address"));
  }
}
