// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.ffi;

import java.util.Map;

/** The names that Java's callers know arguments by, for those of the C header. */
final class ArgumentNames {
  /** Where the name is not the same words in camel case. */
  private static final Map<String, String> OTHERS =
      Map.of(
          "dbias", "dBias",
          "dweight", "dWeight",
          "dgate", "dGate",
          "dup", "dUp",
          "dbranch", "dBranch",
          "key_heads", "keyValueHeads");

  private ArgumentNames() {}

  /** For instance {@code projection.keyValueHeads} for {@code projection.key_heads}. */
  static String inJava(String name) {
    int lastPart = name.lastIndexOf('.') + 1;
    String part = name.substring(lastPart);
    return name.substring(0, lastPart) + OTHERS.getOrDefault(part, camelCase(part));
  }

  /**
   * The message with the argument's name in Java. A colon follows the name: at the message's
   * beginning, or after a peer's rank and operation.
   *
   * @param argument its name in C; empty if the message names none
   */
  static String inJava(String message, String argument) {
    int at = message.indexOf(argument + ":");
    return argument.isEmpty() || at < 0
        ? message
        : message.substring(0, at) + inJava(argument) + message.substring(at + argument.length());
  }

  private static String camelCase(String words) {
    StringBuilder text = new StringBuilder(words.length());
    for (int i = 0; i < words.length(); i++) {
      char c = words.charAt(i);
      if (c == '_' && i + 1 < words.length()) {
        i++;
        text.append(Character.toUpperCase(words.charAt(i)));
      } else {
        text.append(c);
      }
    }
    return text.toString();
  }
}
