// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
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

  /** For rank 0 to find out what its own name is. */
  private static final Duration OWN_NAME_PATIENCE = Duration.ofSeconds(2);

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
    boolean mpi = mpiSize(variables) > 1;
    if (mpi && size == 1) {
      throw new IllegalStateException(
          "environment variable WORLD_SIZE is 1, but a launcher of MPI says that it has started "
              + mpiSize(variables)
              + " processes; unset it to join them, or the launcher's variables ("
              + String.join(", ", MPI_SIZES)
              + ") for one process alone");
    }
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

  /** How many processes a launcher of MPI has started, 1 if none says. */
  private static int mpiSize(UnaryOperator<@Nullable String> variables) {
    for (String name : MPI_SIZES) {
      if (variables.apply(name) != null) {
        return number(variables, name, 1, Integer.MAX_VALUE, 1);
      }
    }
    // Slurm's tasks need have nothing to do with MPI, unless it serves PMIx to them.
    return variables.apply("PMIX_RANK") == null
        ? 1
        : number(variables, "SLURM_STEP_NUM_TASKS", 1, Integer.MAX_VALUE, 1);
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
        host(String.valueOf(variables.apply("MASTER_ADDR"))),
        number(variables, "MASTER_PORT", 1, 65535, 0));
  }

  private static String host(String value) {
    if (value.isBlank()) {
      throw new IllegalStateException(
          "environment variable MASTER_ADDR is blank; the name or address of rank 0's machine was"
              + " expected");
    }
    return value.strip();
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

  /** How the ranks find each other, until some time, where rank 0's address is known. */
  Rendezvous rendezvous(long expiry) {
    return new TcpRendezvous(masterHost, masterPort, null, HostLookup.SYSTEM, expiry);
  }

  /** What this machine has, for {@link #ownHost}; tests have other machines. */
  record Machine(HostLookup lookup, List<OwnAddress.Interface> interfaces) {
    static Machine own() {
      try {
        return new Machine(HostLookup.SYSTEM, OwnAddress.Interface.ofThisMachine());
      } catch (IOException e) {
        throw new IllegalStateException("this machine does not tell its network interfaces", e);
      }
    }
  }

  /**
   * The address of this machine by which the others reach it: that of the interface that {@code
   * GLOO_SOCKET_IFNAME} names, else the one from which rank 0's machine is reached. Rank 0 need not
   * know its own name: whatever the others know it by, its address is that of its way out.
   *
   * @param expiry how long to wait for rank 0's name to be known, by {@link System#nanoTime}
   * @param timeout what that was as a duration, for messages
   * @throws DeadlineExceededException if it is not known then
   * @throws IllegalStateException naming the variable that this machine cannot use
   */
  String ownHost(
      UnaryOperator<@Nullable String> variables, Machine machine, long expiry, Duration timeout) {
    String name = variables.apply(INTERFACE);
    try {
      InetAddress master = master(machine, expiry, timeout);
      if (name != null) {
        return ofInterface(name, machine, master);
      }
      if (master != null && !isOwnName(master)) {
        return OwnAddress.text(OwnAddress.towards(master));
      }
      InetAddress own = OwnAddress.outward(machine.interfaces);
      return OwnAddress.text(own != null ? own : InetAddress.getLoopbackAddress());
    } catch (IOException e) {
      throw new IllegalStateException(
          "environment variable MASTER_ADDR is '"
              + masterHost
              + "', which this machine cannot use: "
              + e.getMessage(),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for rank 0's name", e);
    }
  }

  /** Null where it is not known to rank 0 itself. */
  private @Nullable InetAddress master(Machine machine, long expiry, Duration timeout)
      throws InterruptedException {
    long soon = System.nanoTime() + OWN_NAME_PATIENCE.toNanos();
    try {
      List<InetAddress> all =
          machine.lookup.find(masterHost, rank == 0 && soon - expiry < 0 ? soon : expiry);
      return all.stream()
          .filter(address -> !address.isLoopbackAddress())
          .findFirst()
          .orElse(all.getFirst());
    } catch (UnknownHostException e) {
      if (rank == 0) {
        return null;
      }
      throw new DeadlineExceededException(
          "environment variable MASTER_ADDR is '"
              + masterHost
              + "', a name that was not known within "
              + RendezvousProtocol.seconds(timeout)
              + " ("
              + e.getMessage()
              + ")",
          0,
          0,
          "rendezvous");
    }
  }

  /** A machine may know its own name as an address that only itself can use, 127.0.1.1. */
  private boolean isOwnName(InetAddress master) {
    return master.isLoopbackAddress()
        && !HostLookup.isLoopbackName(masterHost)
        && HostLookup.literal(masterHost) == null;
  }

  /**
   * An address of this machine where nobody's else is known: that of the interface that {@code
   * GLOO_SOCKET_IFNAME} names, else what its name stands for, unless only itself can use that, or
   * nobody knows it: that of its way out then.
   */
  static String anyHost(UnaryOperator<@Nullable String> variables, Machine machine) {
    String name = variables.apply(INTERFACE);
    if (name != null) {
      return ofInterface(name, machine, null);
    }
    try {
      InetAddress own = InetAddress.getLocalHost();
      if (!own.isLoopbackAddress() && !own.isLinkLocalAddress()) {
        return OwnAddress.text(own);
      }
    } catch (UnknownHostException e) {
      // as in containers
    }
    InetAddress own = OwnAddress.outward(machine.interfaces);
    return OwnAddress.text(own != null ? own : InetAddress.getLoopbackAddress());
  }

  private static String ofInterface(String name, Machine machine, @Nullable InetAddress towards) {
    try {
      return OwnAddress.text(OwnAddress.of(name, machine.interfaces, towards));
    } catch (IOException e) {
      throw new IllegalStateException(
          "environment variable "
              + INTERFACE
              + " is '"
              + name
              + "', which this machine cannot use: "
              + e.getMessage(),
          e);
    }
  }
}
