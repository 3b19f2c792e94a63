// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.Locale;
import org.lvxattn.CpuOptions;
import org.lvxattn.Device;
import org.lvxattn.Group;
import org.lvxattn.GroupOptions;

/** This process's rank in a group of processes, and the device it computes with. */
record ProcessGroup(Device device, Group group) implements AutoCloseable {
  /**
   * Whether nobody has started the ranks yet; mpirun must, Gloo's and NCCL's processes can be our
   * own.
   *
   * @throws org.lvxattn.LvxException if they cannot be joined
   */
  static boolean isToBeStarted(String engine) {
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
  static ProcessGroup join(String engine, GroupOptions options) {
    LocalProcesses.endWithParent();
    Device cpu = Device.cpu(CpuOptions.defaults().withThreads(LocalProcesses.share()));
    try {
      Group group =
          engine.equals("mpi")
              ? Group.mpi(cpu, options)
              : Group.fromEnvironment(cpu, kind(engine), options);
      return new ProcessGroup(cpu, group);
    } catch (RuntimeException e) {
      cpu.close();
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
