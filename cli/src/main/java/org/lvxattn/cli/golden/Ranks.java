// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.util.List;
import org.lvxattn.Group;
import org.lvxattn.GroupOptions;
import org.lvxattn.LocalWorld;
import org.lvxattn.RankTask;
import org.lvxattn.cli.workload.DeviceChoice;
import org.lvxattn.cli.workload.Results;

/** The ranks that compute a case together. */
public interface Ranks {
  /** How many there are. */
  int size();

  /**
   * Makes sure that all ranks are about to do the same.
   *
   * @throws IllegalStateException on every rank, naming one that is about to do something else
   */
  void agree(String next);

  /**
   * Runs a task on every rank; the results in rank order.
   *
   * @throws RuntimeException if it fails on any rank
   */
  List<Results> run(RankTask<Results> task);

  /** Threads of this process, in a new group for each task. */
  static Ranks local(int size, DeviceChoice device) {
    return new Threads(size, device);
  }

  /** Processes, of which this is one. They make the same calls in the same order. */
  static Ranks of(Group group) {
    return new ProcessRanks(group);
  }

  /** Threads are told what to do by one caller, who agrees with himself. */
  record Threads(int size, DeviceChoice device) implements Ranks {
    @Override
    public void agree(String next) {}

    @Override
    public List<Results> run(RankTask<Results> task) {
      return LocalWorld.run(size, GroupOptions.defaults(), device.forRanks(size), task);
    }
  }
}
