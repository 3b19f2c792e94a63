// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class CompareCommandTest {
  @TempDir private Path folder;

  @SuppressWarnings("unchecked")
  private static List<Map<String, Object>> rows(Lvx lvx) {
    return (List<Map<String, Object>>) requireNonNull(lvx.json().get("rows"));
  }

  @Test
  void everyStrategyRunsAndIsExact() {
    Path svg = folder.resolve("compare.svg");
    Lvx lvx =
        Lvx.run(
            ("compare --shape 2,24,96,4,2,16 --ranks 4 --ranks-per-node 2 --intra 1,10 --inter"
                    + " 0.1,50 --backward --check --json --chart "
                    + svg)
                .split(" "));
    assertThat(lvx.code()).as(lvx.err()).isZero();
    assertThat(rows(lvx)).hasSize(6);
    for (Map<String, Object> row : rows(lvx)) {
      assertThat(row).containsEntry("status", "ok").containsKeys("seconds", "plannedSeconds");
      assertThat((Map<?, ?>) row.get("maxError")).hasSize(5);
      assertThat((List<?>) row.get("perRank")).hasSize(4);
    }
    assertThat(svg).isNotEmptyFile();
  }

  @Test
  void whatCannotBeServedIsNoFailure() {
    Lvx lvx = Lvx.run("compare", "--shape", "1,6,30,3,3,8", "--ranks", "2", "--json");
    assertThat(lvx.code()).isZero();
    for (Map<String, Object> row : rows(lvx)) {
      boolean heads = "HEAD_ALL_TO_ALL".equals(row.get("strategy"));
      assertThat(row).containsEntry("status", heads ? "unsupported" : "ok");
      assertThat(row.containsKey("seconds")).isEqualTo(!heads);
      assertThat(row.get("reason") != null).isEqualTo(heads);
    }
  }

  private static double seconds(String commandLine) {
    return (double) requireNonNull(Lvx.run(commandLine.split(" ")).json().get("seconds"));
  }

  @Test
  void emulatedLinksSlowARunDown() {
    String sizes = "run --shape 1,64,64,4,4,64 --ranks 2 --json";
    double slow = seconds(sizes + " --intra 0.001,1000");
    // A busy machine may slow one run down as much.
    double free = IntStream.range(0, 5).mapToDouble(i -> seconds(sizes)).min().orElseThrow();
    // 32 queries out and back, 32 KiB each at 1 MB/s, twice a millisecond.
    assertThat(slow).isGreaterThan(0.065);
    assertThat(free).isLessThan(slow);
  }

  @Test
  void peopleGetATable() {
    Lvx lvx = Lvx.run("compare", "--shape", "1,6,30,2,2,8", "--ranks", "2");
    assertThat(lvx.out()).contains("planned").contains("TWO_LEVEL").contains("The plan's choice: ");
  }
}
