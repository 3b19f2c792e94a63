// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.launch.GroupBackend;
import org.lvxattn.oracle.DeviceChoice;
import picocli.CommandLine.Model.CommandSpec;

/** This process's rank in a group of processes, and its device. */
record ProcessGroup(Device device, Group group) implements AutoCloseable {
  /**
   * Variables in which MPI launchers set the number of processes; some launchers set only the rank.
   */
  private static final List<String> MPI_SIZES = List.of("OMPI_COMM_WORLD_SIZE", "PMI_SIZE");

  private static final String PMIX_RANK = "PMIX_RANK";

  /**
   * Whether this command must start the ranks itself: for Gloo and NCCL, if no launcher has started
   * them. MPI ranks are always started by mpirun.
   *
   * @throws org.lvxattn.LvxException if the backend is not installed
   */
  static boolean isToBeStarted(String backend, DeviceChoice device) {
    if (!device.isCpu() && !backend.equals("nccl")) {
      throw new UsageException(
          "--group " + backend + " joins CPUs; --device " + device + " goes with local or nccl");
    }
    if (backend.equals("mpi") || System.getenv("RANK") != null) {
      return false;
    }
    for (String name : MPI_SIZES) {
      String size = System.getenv(name);
      if (size != null && !size.equals("1")) {
        throw new UsageException(
            "--group "
                + backend
                + " would start ranks of its own in each of the processes that a launcher of MPI"
                + " has started ("
                + name
                + " is "
                + size
                + "): leave the launcher out, take --group mpi, or set RANK, WORLD_SIZE,"
                + " MASTER_ADDR and MASTER_PORT for each process");
      }
    }
    Group.loadBackend(kind(backend)); // reports a missing library once, not per rank
    return true;
  }

  /** Whether an option was given on the command line. */
  static boolean given(CommandSpec command, String option) {
    return command.commandLine().getParseResult().hasMatchedOption(option);
  }

  private static GroupBackend kind(String backend) {
    return GroupBackend.valueOf(backend.toUpperCase(Locale.ROOT));
  }

  /**
   * Joins the group that this process was started for.
   *
   * @param asked the number of ranks on the command line, null if the launcher decides
   * @throws UsageException if the group has another number of ranks, or cannot be joined
   */
  static ProcessGroup join(
      String backend, DeviceChoice choice, GroupOptions options, @Nullable Integer asked) {
    LocalProcesses.endWithParent();
    if (backend.equals("mpi") && asked == null && !isStartedByMpi()) {
      throw new UsageException(
          "--group mpi joins the processes that mpirun has started, and none has started this one ("
              + String.join(", ", MPI_SIZES)
              + " and "
              + PMIX_RANK
              + " are not set): mpirun -n N ./lvx ..., or --ranks 1 for one process alone");
    }
    Device device = choice.ofProcess(LocalProcesses.localRank()).open(LocalProcesses.share());
    try {
      Group group =
          backend.equals("mpi")
              ? Group.mpi(device, options)
              : Group.fromEnvironment(device, kind(backend), options);
      ProcessGroup joined = new ProcessGroup(device, group);
      if (asked != null && asked != group.size()) {
        group.close();
        throw new UsageException(
            "--ranks "
                + asked
                + ", but --group "
                + backend
                + " has joined "
                + group.size()
                + (group.size() == 1 ? " rank: " : " ranks: ")
                + whoStartedThem(backend));
      }
      return joined;
    } catch (IllegalStateException e) { // the environment is invalid
      device.close();
      throw new UsageException(String.valueOf(e.getMessage()), e);
    } catch (RuntimeException e) {
      device.close();
      throw e;
    }
  }

  private static boolean isStartedByMpi() {
    return System.getenv(PMIX_RANK) != null
        || MPI_SIZES.stream().anyMatch(name -> System.getenv(name) != null);
  }

  private static String whoStartedThem(String backend) {
    if (!backend.equals("mpi")) {
      return "the environment variable WORLD_SIZE is " + System.getenv("WORLD_SIZE");
    }
    return isStartedByMpi()
        ? "that is how many mpirun has started; leave out --ranks, or start as many"
        : "this process was not started by mpirun, or by that of another MPI than Open MPI;"
            + " mpirun -n N ./lvx ...";
  }

  @Override
  public void close() {
    try (device) {
      group.close();
    }
  }
}
