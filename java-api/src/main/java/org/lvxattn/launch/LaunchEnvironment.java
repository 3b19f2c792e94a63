// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.launch;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.internal.ffi.Failures;
import org.lvxattn.internal.rendezvous.HostLookup;
import org.lvxattn.internal.rendezvous.OwnAddress;
import org.lvxattn.internal.rendezvous.RendezvousProtocol;
import org.lvxattn.internal.rendezvous.TcpGathering;

/**
 * The environment variables of this process's launcher.
 *
 * @param kind how the processes join
 * @param rank this process's rank
 * @param size number of processes; 1 if the launcher's own library knows it
 * @param masterHost the name or address of rank 0's machine, empty if not needed
 * @param masterPort the port at which rank 0 serves the rendezvous
 */
public record LaunchEnvironment(Kind kind, int rank, int size, String masterHost, int masterPort) {
  private static final List<String> MPI_SIZES = List.of("OMPI_COMM_WORLD_SIZE", "PMI_SIZE");
  private static final List<String> RANKS =
      List.of("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT");

  /** The network interface to use, as in PyTorch. */
  private static final String INTERFACE = "GLOO_SOCKET_IFNAME";

  /** The backend. */
  private static final String BACKEND = "LVX_GROUP";

  /** How long rank 0 tries to resolve its own name. */
  private static final Duration OWN_NAME_PATIENCE = Duration.ofSeconds(2);

  /** How the processes join. */
  public enum Kind {
    /** A single process. */
    SELF,
    /** By Gloo, over the addresses in the environment. */
    GLOO,
    /** By MPI, which knows the addresses. */
    MPI,
    /** By NCCL, over the addresses in the environment. */
    NCCL,
    /** NCCL, among processes that MPI has started. */
    NCCL_BY_MPI
  }

  /**
   * Reads the environment.
   *
   * @param device the device of this process
   * @param told the backend, or null to let the environment decide
   * @throws IllegalStateException that names a missing or invalid variable
   */
  public static LaunchEnvironment read(
      UnaryOperator<@Nullable String> variables, Device.Kind device, @Nullable GroupBackend told) {
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
    GroupBackend backend = told != null ? told : backend(variables);
    if (backend == null) {
      mpi &= size == 0;
      backend =
          device != Device.Kind.CPU
              ? GroupBackend.NCCL
              : ranks || !mpi ? GroupBackend.GLOO : GroupBackend.MPI;
    }
    if (!ranks && !mpi) {
      return of(Kind.SELF);
    }
    return switch (backend) {
      case GLOO -> ofRanks(Kind.GLOO, size, variables);
      case NCCL -> ranks ? ofRanks(Kind.NCCL, size, variables) : of(Kind.NCCL_BY_MPI);
      case MPI -> {
        if (!mpi) {
          throw new IllegalStateException(
              "no launcher of MPI has started this process, as the backend mpi needs; one of the"
                  + " environment variables "
                  + String.join(", ", MPI_SIZES)
                  + " was expected");
        }
        yield of(Kind.MPI);
      }
      case SELF, LOCAL ->
          throw new IllegalArgumentException(
              "backend is " + backend + "; GLOO, MPI or NCCL was expected");
    };
  }

  /** The number of processes that an MPI launcher has started; 1 if no variable says so. */
  private static int mpiSize(UnaryOperator<@Nullable String> variables) {
    for (String name : MPI_SIZES) {
      if (variables.apply(name) != null) {
        return number(variables, name, 1, Integer.MAX_VALUE, 1);
      }
    }
    // Slurm's tasks need not be MPI processes, unless Slurm serves PMIx to them.
    return variables.apply("PMIX_RANK") == null
        ? 1
        : number(variables, "SLURM_STEP_NUM_TASKS", 1, Integer.MAX_VALUE, 1);
  }

  private static @Nullable GroupBackend backend(UnaryOperator<@Nullable String> variables) {
    String name = variables.apply(BACKEND);
    return switch (name) {
      case null -> null;
      case "gloo" -> GroupBackend.GLOO;
      case "mpi" -> GroupBackend.MPI;
      case "nccl" -> GroupBackend.NCCL;
      default ->
          throw new IllegalStateException(
              "environment variable "
                  + BACKEND
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

  /** The rendezvous at rank 0's address, if it is known; it gives up at the expiry. */
  public Rendezvous rendezvous(long expiry) {
    return new TcpRendezvous(
        new TcpGathering(masterHost, masterPort, HostLookup.SYSTEM, expiry), null);
  }

  /** The name lookup and interfaces of a machine; tests pass other machines. */
  record Machine(HostLookup lookup, List<OwnAddress.Interface> interfaces) {
    static Machine own() {
      try {
        return new Machine(HostLookup.SYSTEM, OwnAddress.Interface.ofThisMachine());
      } catch (IOException e) {
        throw new IllegalStateException("this machine's network interfaces cannot be listed", e);
      }
    }
  }

  /**
   * The address by which the other ranks reach this machine: the address of the interface that
   * {@code GLOO_SOCKET_IFNAME} names, else the local address on the route to rank 0's machine. Rank
   * 0 need not be able to resolve its own name: if it cannot, it uses the address of its default
   * route.
   *
   * @param expiry when to give up resolving rank 0's name, by {@link System#nanoTime}
   * @param timeout the same as a duration, for messages
   * @throws org.lvxattn.PeerTimeoutException if the name does not resolve until then
   * @throws IllegalStateException that names a variable whose value this machine cannot use
   */
  public String ownHost(UnaryOperator<@Nullable String> variables, long expiry, Duration timeout) {
    return ownHost(variables, Machine.own(), expiry, timeout);
  }

  /** As above, for the given machine. */
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
      throw Failures.interruption("interrupted while it waited for rank 0's name", e);
    }
  }

  /** Rank 0's address; null on rank 0 if it cannot resolve its own name. */
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
      throw Failures.timeout(
          "environment variable MASTER_ADDR is '"
              + masterHost
              + "', a name that was not known within "
              + RendezvousProtocol.seconds(timeout)
              + " ("
              + e.getMessage()
              + ")",
          0);
    }
  }

  /** A machine may resolve its own name to an address that only it can use, such as 127.0.1.1. */
  private boolean isOwnName(InetAddress master) {
    return master.isLoopbackAddress()
        && !HostLookup.isLoopbackName(masterHost)
        && HostLookup.literal(masterHost) == null;
  }

  /**
   * The address of this machine if no other rank's address is known: that of the interface that
   * {@code GLOO_SOCKET_IFNAME} names, else the one that its name resolves to. If the name does not
   * resolve, or only this machine can use that address, the address of its default route.
   */
  public static String anyHost(UnaryOperator<@Nullable String> variables) {
    return anyHost(variables, Machine.own());
  }

  private static String anyHost(UnaryOperator<@Nullable String> variables, Machine machine) {
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
