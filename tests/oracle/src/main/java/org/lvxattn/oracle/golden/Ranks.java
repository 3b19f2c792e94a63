// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.List;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;
import org.lvxattn.group.RankTask;
import org.lvxattn.oracle.DeviceChoice;
import org.lvxattn.oracle.Results;

/** The ranks that compute a case together. */
public interface Ranks {
  /** Number of ranks. */
  int size();

  /**
   * Checks that all ranks are about to do the same.
   *
   * @throws IllegalStateException on every rank; names a rank that is about to do something else
   */
  void agree(String next);

  /**
   * Runs a task on every rank; returns the results in rank order.
   *
   * @throws RuntimeException if it fails on any rank
   */
  List<Results> run(RankTask<Results> task);

  /** Threads of this process, in a new group for each task. */
  static Ranks local(int size, DeviceChoice device) {
    return new Threads(size, device);
  }

  /** Processes, including this one. They make the same calls in the same order. */
  static Ranks of(Group group) {
    return new ProcessRanks(group);
  }

  /** Threads have one caller, so there is nothing to agree on. */
  record Threads(int size, DeviceChoice device) implements Ranks {
    @Override
    public void agree(String next) {}

    @Override
    public List<Results> run(RankTask<Results> task) {
      return LocalWorld.run(size, GroupOptions.defaults(), device.forRanks(size), task);
    }
  }
}
