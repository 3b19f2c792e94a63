// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.lvxattn.testing.Seeds;

class SplitTest {
  @Test
  void evenShardsDifferByOneRowAtMost() {
    Split split = Split.even(10, 4);
    assertThat(split).hasToString("[0, 3, 6, 8, 10]");
    assertThat(Split.even(2, 4)).hasToString("[0, 1, 2, 2, 2]");
    assertThat(Split.even(0, 3)).hasToString("[0, 0, 0, 0]");
  }

  @Test
  void unevenShardsCoverEverythingInOrder() {
    for (int seed = 0; seed < 500; seed++) {
      Random random = Seeds.random(seed);
      int rows = random.nextInt(40);
      int ranks = 1 + random.nextInt(9);
      Split split = Split.uneven(rows, ranks, random);
      assertThat(split.ranks()).isEqualTo(ranks);
      assertThat(split.begin(0)).isZero();
      assertThat(split.end(ranks - 1)).isEqualTo(rows);
      boolean empty = false;
      for (int rank = 0; rank < ranks; rank++) {
        assertThat(split.rows(rank)).isNotNegative();
        empty |= split.rows(rank) == 0;
        assertThat(split.begin(rank)).isEqualTo(rank == 0 ? 0 : split.end(rank - 1));
      }
      assertThat(empty || ranks < 3).as("an empty shard among %s", split).isTrue();
    }
  }

  @Test
  void theSameSeedGivesTheSameSplit() {
    assertThat(Split.uneven(1000, 8, new Random(5)))
        .hasToString(Split.uneven(1000, 8, new Random(5)).toString());
  }
}
