// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.DType;
import org.lvxattn.plan.AttentionSizes;
import org.lvxattn.plan.Link;
import org.lvxattn.plan.Machine;
import org.lvxattn.plan.Topology;

@Timeout(120)
class CalibrationTest {
  @Test
  void findsTheLinksThatAreEmulatedTheSameOnAllRanks() {
    Link intra = new Link(20e6, 5e-3);
    Link inter = new Link(10e6, 20e-3);
    GroupOptions options = GroupOptions.builder().ranksPerNode(2).build();
    LinkEmulation emulation =
        LinkEmulation.builder()
            .intra(intra)
            .inter(inter)
            .virtualTime(true)
            .build(); // whatever else the machine does
    List<Topology> found =
        LocalWorld.run(4, options, emulation, group -> Calibration.topology(group, 2, false));
    assertThat(found).containsOnly(found.getFirst());
    assertIsLike(found.getFirst().intra(), intra);
    assertIsLike(found.getFirst().inter(), inter);
  }

  private static void assertIsLike(Link found, Link made) {
    assertThat(found.bytesPerSecond())
        .isEqualTo(made.bytesPerSecond(), within(0.2 * made.bytesPerSecond()));
    assertThat(found.latencySeconds())
        .isEqualTo(made.latencySeconds(), within(0.3 * made.latencySeconds()));
  }

  @Test
  void ratesOfTheKernelsAreTheSameOnAllRanks() {
    AttentionSizes sizes = new AttentionSizes(1, 8, 2, 64, DType.FLOAT32);
    List<Machine> found = LocalWorld.run(3, group -> Calibration.machine(group, sizes, 64, 512));
    assertThat(found).containsOnly(found.getFirst());
    // Bounds that every processor meets, now and for long.
    assertThat(found.getFirst().forwardFlopsPerSecond()).isBetween(1e7, 1e14);
    assertThat(found.getFirst().backwardFlopsPerSecond()).isBetween(1e7, 1e14);
    assertThat(found.getFirst().memoryBytesPerSecond()).isBetween(1e7, 1e14);
  }
}
