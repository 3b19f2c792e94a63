// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.Locale;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.GroupOptions;
import org.lvxattn.cli.workload.DeviceChoice;

/** This process's rank in a group of processes, and the device it computes with. */
record ProcessGroup(Device device, Group group) implements AutoCloseable {
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
    Group.loadEngine(kind(engine)); // what is missing is said once, not by each
    return true;
  }

  private static Group.Kind kind(String engine) {
    return Group.Kind.valueOf(engine.toUpperCase(Locale.ROOT));
  }

  /** Joins the group that this process was started for. */
  static ProcessGroup join(String engine, DeviceChoice choice, GroupOptions options) {
    LocalProcesses.endWithParent();
    Device device = choice.ofProcess(LocalProcesses.localRank()).open(LocalProcesses.share());
    try {
      Group group =
          engine.equals("mpi")
              ? Group.mpi(device, options)
              : Group.fromEnvironment(device, kind(engine), options);
      return new ProcessGroup(device, group);
    } catch (RuntimeException e) {
      device.close();
      throw e;
    }
  }

  @Override
  public void close() {
    try (device) {
      group.close();
    }
  }
}
