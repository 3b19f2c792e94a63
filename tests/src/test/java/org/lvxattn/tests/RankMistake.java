// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.lvxattn.DType;
import org.lvxattn.GroupException;
import org.lvxattn.group.Group;
import org.lvxattn.group.GroupOptions;
import org.lvxattn.group.LocalWorld;

/** Groups in which one rank does something different from the others. */
final class RankMistake {
  static final int RANKS = 3;
  static final int OFFENDER = 1;

  /**
   * A timeout longer than any test: a peer that is not told at once would exceed the test's limit.
   */
  static final GroupOptions PATIENT =
      GroupOptions.builder().timeout(Duration.ofMinutes(10)).build();

  private RankMistake() {}

  /** An action of one rank with its group and its tensors. */
  @FunctionalInterface
  interface RankAction {
    void run(RankTensors own, Group group);
  }

  static Workload work() {
    return new Workload(DType.FLOAT64, 1, 4, 2, 8, new int[] {2, 1, 2}, new int[] {3, 4, 2}, 41);
  }

  /**
   * Runs an action on each rank and collects the failures, then checks that the group still works.
   */
  static List<@Nullable Throwable> outcomes(boolean goesOn, RankAction wrong, RankAction right) {
    return LocalWorld.run(
        RANKS,
        PATIENT,
        group -> {
          try (RankTensors own =
              new RankTensors(work(), DType.FLOAT64, group.device(), group.rank())) {
            RankAction action = group.rank() == OFFENDER ? wrong : right;
            Throwable outcome = catchThrowable(() -> action.run(own, group));
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
