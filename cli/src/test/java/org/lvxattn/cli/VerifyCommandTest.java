// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.Strategy;

class VerifyCommandTest {
  @TempDir private Path folder;

  @Test
  void everyCasePasses() {
    for (Path goldens : Goldens.folders()) {
      Lvx lvx = Lvx.run("verify", goldens.toString(), "--ranks", "1,4", "--json");
      assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
      List<Map<String, @Nullable Object>> cases = lvx.objects("cases");
      assertThat(cases).isNotEmpty();
      assertThat(lvx.member("failed")).isEqualTo(0L);
      assertThat(cases).allSatisfy(entry -> assertThat(entry).containsEntry("status", "passed"));
    }
  }

  @Test
  void printsTheAgreedKeys() {
    Path golden = Goldens.file("plain_dim_d32");
    Lvx lvx = Lvx.run("verify", golden.toString(), "--ranks", "2", "--json");
    assertThat(lvx.out().lines()).hasSize(1);
    Map<String, @Nullable Object> entry = lvx.objects("cases").getFirst();
    assertThat(entry)
        .containsEntry("case", "plain_dim_d32")
        .containsEntry("strategy", "QUERY_RING")
        .containsEntry("ranks", 2L)
        .containsEntry("dtype", "float32")
        .containsEntry("status", "passed")
        .containsEntry("reason", "")
        .extractingByKey("errors", InstanceOfAssertFactories.MAP)
        .containsOnlyKeys("o", "lse", "dq", "dk", "dv", "delta");
  }

  @Test
  void digestsNameEveryTensorOfEveryWayAndAreTheSameAgain() {
    String layer = Goldens.file("flamingo_previous").toString();
    String plain = Goldens.file("plain_gqa4_d128").toString();
    Lvx first = Lvx.run("verify", plain, layer, "--digest", "--json");
    assertThat(first.code()).as(first.out() + first.err()).isZero();
    List<Map<String, @Nullable Object>> cases = first.objects("cases");
    assertThat(cases.getFirst())
        .extractingByKey("digests", InstanceOfAssertFactories.MAP)
        .containsKeys("unmasked.o", "unmasked.lse", "unmasked.dq", "unmasked.dk", "unmasked.dv");
    assertThat(cases.getLast())
        .extractingByKey("digests", InstanceOfAssertFactories.MAP)
        .containsKeys("KEEP.out", "RECOMPUTE.out", "RECOMPUTE_TILED.out")
        .allSatisfy((tensor, digest) -> assertThat((String) digest).matches("[0-9a-f]{64}"));
    Lvx second = Lvx.run("verify", plain, layer, "--digest", "--json");
    assertThat(second.out()).isEqualTo(first.out());
    Lvx float64 = Lvx.run("verify", plain, "--digest", "--dtype", "float64");
    assertThat(float64.out()).containsPattern("(?m)^[0-9a-f]{64}  plain_gqa4_d128 .* unmasked.o$");
  }

  @Test
  void everyStrategyGivesAnEntryForEveryNumberOfRanks() {
    Path golden = Goldens.file("plain_gqa4_d128");
    Lvx lvx = Lvx.run("verify", golden.toString(), "--strategy", "all", "--ranks", "2,3", "--json");
    assertThat(lvx.code()).as(lvx.out()).isZero();
    assertThat(lvx.objects("cases")).hasSize(2 * Strategy.schedules().size());
    // Four heads cannot be divided among three ranks.
    assertThat(lvx.objects("cases"))
        .filteredOn(entry -> "skipped".equals(entry.get("status")))
        .singleElement()
        .satisfies(entry -> assertThat(entry).containsEntry("strategy", "HEAD_ALL_TO_ALL"))
        .satisfies(entry -> assertThat(entry).containsEntry("ranks", 3L))
        .satisfies(entry -> assertThat((String) entry.get("reason")).contains("3 ranks"));
  }

  @Test
  void peopleGetATableAndASummary() {
    Lvx lvx = Lvx.run("verify", Goldens.file("plain_dim_d32").toString(), "--ranks", "1,2");
    assertThat(lvx.out()).contains("plain_dim_d32").contains("2 passed, 0 failed, 0 skipped");
  }

  @Test
  void aFileThatCannotBeReadIsAFailedEntry() throws IOException {
    Path file = Files.writeString(folder.resolve("broken.safetensors"), "nonsense and more");
    Lvx lvx = Lvx.run("verify", file.toString(), "--ranks", "1,2", "--json");
    assertThat(lvx.code()).isEqualTo(1);
    assertThat(lvx.member("failed")).isEqualTo(2L);
    assertThat(Lvx.run("verify", file.toString()).out())
        .contains("failed: " + file + ", byte 0")
        .contains("broken (QUERY_RING, ranks 4)")
        .contains("0 passed, 1 failed, 0 skipped");
  }
}
