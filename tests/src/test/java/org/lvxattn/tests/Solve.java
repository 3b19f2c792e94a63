// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.ReferenceAttention;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.plan.Link;
import org.lvxattn.plan.Machine;
import org.lvxattn.plan.Planner;
import org.lvxattn.plan.Topology;

/** Ways to solve a problem: by the ranks of a group, or by the oracle. */
final class Solve {
  /** Some machine: where AUTO measured the real one, its choice, and so bits, could differ. */
  private static final Planner PLANNER =
      new Planner(Machine.ofRate(1e11), new Topology(2, Link.INSTANT, new Link(1e9, 1e-5), false));

  private Solve() {}

  /** Forward and backward on the problem's ranks; two ranks make a node. */
  static Results onRanks(Workload work) {
    Results results = new Results(work);
    Ranks.run(
        work.ranks(),
        GroupOptions.builder().ranksPerNode(2).build(),
        group -> {
          group.setPlanner(PLANNER);
          try (RankTensors own = new RankTensors(work, work.dtype, group.device(), group.rank())) {
            own.compute(group);
            synchronized (results) {
              own.report(results);
            }
          }
        });
    return results;
  }

  /** The textbook in float64 on the same numbers, unsharded. */
  static Results byOracle(Workload work) {
    Results results = new Results(work);
    Workload whole = work.onOneRank();
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        RankTensors all = new RankTensors(whole, DType.FLOAT64, device, 0)) {
      ReferenceAttention.forward(work.scale, all.q, all.k, all.v, all.mask, all.o, all.lse);
      ReferenceAttention.backward(
          work.scale,
          all.q,
          all.k,
          all.v,
          all.mask,
          all.o,
          all.lse,
          all.dO,
          all.dq,
          all.dk,
          all.dv,
          all.dBias);
      all.report(results);
    }
    return results;
  }
}
