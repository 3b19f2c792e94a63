// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.GroupOptions;
import org.lvxattn.cli.workload.DeviceChoice;
import picocli.CommandLine.Model.CommandSpec;

/** This process's rank in a group of processes, and the device it computes with. */
record ProcessGroup(Device device, Group group) implements AutoCloseable {
  /**
   * By them launchers of MPI tell how many processes they have started; some say only who is who.
   */
  private static final List<String> MPI_SIZES = List.of("OMPI_COMM_WORLD_SIZE", "PMI_SIZE");

  private static final String PMIX_RANK = "PMIX_RANK";

  /**
   * Whether nobody has started the ranks yet; mpirun must, Gloo's and NCCL's processes can be our
   * own.
   *
   * @throws org.lvxattn.LvxException if they cannot be joined
   */
  static boolean isToBeStarted(String engine, DeviceChoice device) {
    if (!device.isCpu() && !engine.equals("nccl")) {
      throw new UsageException(
          "--group " + engine + " joins CPUs; --device " + device + " goes with local or nccl");
    }
    if (engine.equals("mpi") || System.getenv("RANK") != null) {
      return false;
    }
    for (String name : MPI_SIZES) {
      String size = System.getenv(name);
      if (size != null && !size.equals("1")) {
        throw new UsageException(
            "--group "
                + engine
                + " would start ranks of its own in each of the processes that a launcher of MPI"
                + " has started ("
                + name
                + " is "
                + size
                + "): leave the launcher out, take --group mpi, or set RANK, WORLD_SIZE,"
                + " MASTER_ADDR and MASTER_PORT for each process");
      }
    }
    Group.loadEngine(kind(engine)); // what is missing is said once, not by each
    return true;
  }

  /** Whether an option was said, rather than left to its default. */
  static boolean given(CommandSpec command, String option) {
    return command.commandLine().getParseResult().hasMatchedOption(option);
  }

  private static Group.Kind kind(String engine) {
    return Group.Kind.valueOf(engine.toUpperCase(Locale.ROOT));
  }

  /**
   * Joins the group that this process was started for.
   *
   * @param asked how many ranks the command line wants, null where it leaves that to the launcher
   * @throws UsageException if there are others, or nothing can be joined
   */
  static ProcessGroup join(
      String engine, DeviceChoice choice, GroupOptions options, @Nullable Integer asked) {
    LocalProcesses.endWithParent();
    if (engine.equals("mpi") && asked == null && !isStartedByMpi()) {
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
          engine.equals("mpi")
              ? Group.mpi(device, options)
              : Group.fromEnvironment(device, kind(engine), options);
      ProcessGroup joined = new ProcessGroup(device, group);
      if (asked != null && asked != group.size()) {
        group.close();
        throw new UsageException(
            "--ranks "
                + asked
                + ", but --group "
                + engine
                + " has joined "
                + group.size()
                + (group.size() == 1 ? " rank: " : " ranks: ")
                + whoStartedThem(engine));
      }
      return joined;
    } catch (IllegalStateException e) { // what the environment says cannot be
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

  private static String whoStartedThem(String engine) {
    if (!engine.equals("mpi")) {
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
