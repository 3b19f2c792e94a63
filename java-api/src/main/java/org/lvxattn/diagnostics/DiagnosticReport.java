// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.diagnostics;

import java.util.List;
import java.util.Locale;

/**
 * What was found on this machine.
 *
 * @param items what was checked, in the order of the checks
 * @since 0.2.0
 */
public record DiagnosticReport(List<Item> items) {
  /** Copies the list. */
  public DiagnosticReport {
    items = List.copyOf(items);
  }

  /** State of a checked item. */
  public enum Status {
    /** It is there and works. */
    OK,
    /** Missing, but optional. */
    ABSENT,
    /** Required, and missing or broken. */
    FAILED
  }

  /**
   * One checked item.
   *
   * @param name for instance {@code native-library}
   * @param status its state
   * @param detail what was found
   * @param remedy what to do; empty if there is nothing to do
   */
  public record Item(String name, Status status, String detail, String remedy) {
    /** An item that is there and works. */
    public static Item ok(String name, String detail) {
      return new Item(name, Status.OK, detail, "");
    }
  }

  /** Whether everything is there that is required to compute. */
  public boolean ok() {
    return items.stream().noneMatch(item -> item.status() == Status.FAILED);
  }

  /** A table of the items, with one line for each and one for each remedy. */
  @Override
  public String toString() {
    int width = items.stream().mapToInt(item -> item.name().length()).max().orElse(0);
    String format = "  %-" + (width + 2) + "s%-8s%s%n";
    StringBuilder text = new StringBuilder();
    for (Item item : items) {
      String status = item.status().name().toLowerCase(Locale.ROOT);
      text.append(String.format(Locale.ROOT, format, item.name(), status, item.detail()));
      if (!item.remedy().isEmpty()) {
        text.append(String.format(Locale.ROOT, format, "", "", "-> " + item.remedy()));
      }
    }
    text.append(ok() ? "\n  ready\n" : "\n  not ready\n");
    return text.toString();
  }
}
