// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.Group;
import org.lvxattn.GroupException;
import org.lvxattn.GroupOptions;
import org.lvxattn.LocalWorld;

/** Groups in which one rank does something else than the others. */
final class Offence {
  static final int RANKS = 3;
  static final int OFFENDER = 1;

  /** A peer that is not told at once would wait for longer than a test may take. */
  static final GroupOptions PATIENT = GroupOptions.defaults().withDeadline(Duration.ofMinutes(10));

  private Offence() {}

  /** What one rank does with its group and its tensors. */
  @FunctionalInterface
  interface Deed {
    void run(RankTensors own, Group group);
  }

  static Workload work() {
    return new Workload(DType.FLOAT64, 1, 4, 2, 8, new int[] {2, 1, 2}, new int[] {3, 4, 2}, 41);
  }

  /** What each rank's deed ended with, and then whether all can compute on in the same group. */
  static List<@Nullable Throwable> outcomes(boolean goesOn, Deed wrong, Deed right) {
    return LocalWorld.run(
        RANKS,
        PATIENT,
        group -> {
          try (RankTensors own =
              new RankTensors(work(), DType.FLOAT64, group.device(), group.rank())) {
            Deed deed = group.rank() == OFFENDER ? wrong : right;
            Throwable outcome = catchThrowable(() -> deed.run(own, group));
            if (goesOn) {
              assertThat(group.failed()).isFalse();
              own.compute(group);
            }
            return outcome;
          }
        });
  }

  static int named(@Nullable Throwable failure) {
    return ((GroupException) Objects.requireNonNull(failure)).rank();
  }
}
