// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The report of {@code lvx doctor}, as JSON or text. */
record DoctorReport(List<Item> items) {
  /** State of a checked item. */
  enum Status {
    OK,
    /** Missing, but optional. */
    ABSENT,
    /** Required, and missing or broken. */
    FAILED
  }

  /** One checked item; the remedy is empty if there is nothing to do. */
  record Item(String name, Status status, String detail, String remedy) {
    static Item ok(String name, String detail) {
      return new Item(name, Status.OK, detail, "");
    }

    String statusWord() {
      return status.name().toLowerCase(Locale.ROOT);
    }
  }

  /** Whether everything that is required to compute is there. */
  boolean ok() {
    return items.stream().noneMatch(item -> item.status() == Status.FAILED);
  }

  Map<String, Object> toJson() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("ok", ok());
    json.put("items", items.stream().map(DoctorReport::itemJson).toList());
    return json;
  }

  private static Map<String, Object> itemJson(Item item) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("name", item.name());
    json.put("status", item.statusWord());
    json.put("detail", item.detail());
    json.put("remedy", item.remedy());
    return json;
  }

  String toText() {
    int width = items.stream().mapToInt(item -> item.name().length()).max().orElse(0);
    String format = "  %-" + (width + 2) + "s%-8s%s%n";
    StringBuilder text = new StringBuilder();
    for (Item item : items) {
      text.append(
          String.format(Locale.ROOT, format, item.name(), item.statusWord(), item.detail()));
      if (!item.remedy().isEmpty()) {
        text.append(String.format(Locale.ROOT, format, "", "", "-> " + item.remedy()));
      }
    }
    text.append(ok() ? "\n  ready\n" : "\n  not ready\n");
    return text.toString();
  }
}
