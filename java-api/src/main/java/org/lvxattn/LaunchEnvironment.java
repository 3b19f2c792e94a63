// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.util.Collections;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** What the launcher of this process has written into its environment. */
record LaunchEnvironment(Kind kind, int rank, int size, String masterHost, int masterPort) {
  private static final List<String> MPI_SIZES = List.of("OMPI_COMM_WORLD_SIZE", "PMI_SIZE");
  private static final List<String> RANKS =
      List.of("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT");

  /** Names the network interface to use, as in PyTorch. */
  private static final String INTERFACE = "GLOO_SOCKET_IFNAME";

  /** Names the engine. */
  private static final String ENGINE = "LVX_GROUP";

  enum Kind {
    SELF,
    GLOO,
    MPI,
    NCCL,
    /** NCCL, among processes that MPI has started. */
    NCCL_BY_MPI
  }

  /**
   * Reads it.
   *
   * @param device what this process computes with
   * @param told the engine, or null for what the environment says
   * @throws IllegalStateException naming a variable that is missing or makes no sense
   */
  static LaunchEnvironment read(
      UnaryOperator<@Nullable String> variables, Device.Kind device, Group.@Nullable Kind told) {
    int size = number(variables, "WORLD_SIZE", 1, Integer.MAX_VALUE, 0);
    boolean ranks = size > 1 || (size == 0 && variables.apply("RANK") != null);
    boolean mpi =
        MPI_SIZES.stream().anyMatch(n -> number(variables, n, 1, Integer.MAX_VALUE, 1) > 1);
    Group.Kind engine = told != null ? told : engine(variables);
    if (engine == null) {
      mpi &= size == 0;
      engine =
          device != Device.Kind.CPU
              ? Group.Kind.NCCL
              : ranks || !mpi ? Group.Kind.GLOO : Group.Kind.MPI;
    }
    if (!ranks && !mpi) {
      return of(Kind.SELF);
    }
    return switch (engine) {
      case GLOO -> ofRanks(Kind.GLOO, size, variables);
      case NCCL -> ranks ? ofRanks(Kind.NCCL, size, variables) : of(Kind.NCCL_BY_MPI);
      case MPI -> {
        if (!mpi) {
          throw new IllegalStateException(
              "no launcher of MPI has started this process, as the engine mpi needs; one of the"
                  + " environment variables "
                  + String.join(", ", MPI_SIZES)
                  + " was expected");
        }
        yield of(Kind.MPI);
      }
      case SELF, LOCAL ->
          throw new IllegalArgumentException(
              "engine is " + engine + "; GLOO, MPI or NCCL was expected");
    };
  }

  private static Group.@Nullable Kind engine(UnaryOperator<@Nullable String> variables) {
    String name = variables.apply(ENGINE);
    return switch (name) {
      case null -> null;
      case "gloo" -> Group.Kind.GLOO;
      case "mpi" -> Group.Kind.MPI;
      case "nccl" -> Group.Kind.NCCL;
      default ->
          throw new IllegalStateException(
              "environment variable "
                  + ENGINE
                  + " is '"
                  + name
                  + "'; gloo, mpi or nccl was expected");
    };
  }

  private static LaunchEnvironment of(Kind kind) {
    return new LaunchEnvironment(kind, 0, 1, "", 0);
  }

  private static LaunchEnvironment ofRanks(
      Kind kind, int size, UnaryOperator<@Nullable String> variables) {
    for (String name : RANKS) {
      if (variables.apply(name) == null) {
        throw new IllegalStateException(
            "environment variable "
                + name
                + " is missing; a group of several processes needs "
                + String.join(", ", RANKS));
      }
    }
    return new LaunchEnvironment(
        kind,
        number(variables, "RANK", 0, size - 1, 0),
        size,
        String.valueOf(variables.apply("MASTER_ADDR")),
        number(variables, "MASTER_PORT", 1, 65535, 0));
  }

  /** How the ranks find each other, where rank 0's address is known. */
  Rendezvous rendezvous() {
    return Rendezvous.tcp(masterHost, masterPort);
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

  /**
   * An address of this machine where nobody's else is known: that of the interface that {@code
   * GLOO_SOCKET_IFNAME} names, else what its name stands for, unless only itself can use that; null
   * where it has no other.
   */
  static @Nullable String anyHost(UnaryOperator<@Nullable String> variables) {
    String name = variables.apply(INTERFACE);
    try {
      if (name != null) {
        return addressOf(name);
      }
      InetAddress own = InetAddress.getLocalHost();
      return own.isLoopbackAddress() ? outwardAddress() : own.getHostAddress();
    } catch (IOException e) {
      throw new IllegalStateException(
          "this machine has no address that others can use: "
              + e.getMessage()
              + "; name an interface by the environment variable "
              + INTERFACE,
          e);
    }
  }

  private static @Nullable String outwardAddress() throws IOException {
    for (NetworkInterface network : Collections.list(NetworkInterface.getNetworkInterfaces())) {
      if (network.isUp() && !network.isLoopback() && !network.isVirtual()) {
        for (InetAddress address : Collections.list(network.getInetAddresses())) {
          if (address instanceof Inet4Address) {
            return address.getHostAddress();
          }
        }
      }
    }
    return null;
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
