// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.lvxattn.oracle.JsonReader;

class OutputTest {
  @Test
  void jsonComesBackAsItWent() {
    Map<String, @Nullable Object> object = new LinkedHashMap<>();
    object.put("text", "a \"quoted\" ü\n");
    object.put("integer", 1L << 40);
    object.put("number", 1.5e-7);
    object.put("flag", true);
    object.put("nothing", null);
    object.put("list", Arrays.asList(1L, null, List.of(), Map.of()));
    assertThat(JsonReader.readObject(Json.write(object))).isEqualTo(object);
  }

  @Test
  void jsonHasNoNanSoItIsNull() {
    assertThat(Json.write(Map.of("o", Double.NaN))).isEqualTo("{\"o\":null}");
    assertThat(Json.write(List.of(Double.POSITIVE_INFINITY))).isEqualTo("[null]");
  }

  @Test
  void jsonReaderRefusesWhatIsNoObject() {
    for (String text : List.of("", "[]", "{", "{} {}", "{\"a\":1,\"a\":2}", "{\"a\":NaN}")) {
      assertThatThrownBy(() -> JsonReader.readObject(text))
          .as(text)
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void tablesAlignTheirColumns() {
    Table table = new Table("name", "size");
    table.row("a", "1234567");
    table.row("longer", "8");
    assertThat(table).hasToString("  name       size\n  a       1234567\n  longer        8\n");
    assertThatThrownBy(() -> table.row("one")).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void unitsAreReadable() {
    assertThat(Units.bytes(0)).isEqualTo("0 B");
    assertThat(Units.bytes(1023)).isEqualTo("1023 B");
    assertThat(Units.bytes(1536)).isEqualTo("1.50 KiB");
    assertThat(Units.bytes(100L << 30)).isEqualTo("100.0 GiB");
    assertThat(Units.seconds(2.5)).isEqualTo("2.50 s");
    assertThat(Units.seconds(2.5e-3)).isEqualTo("2.50 ms");
    assertThat(Units.seconds(2.5e-6)).isEqualTo("2.5 us");
    assertThat(Units.error(Double.NaN)).isEqualTo("NaN");
  }
}
