// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.lvxattn.oracle.JsonReader;

/** One run of the command inside this process: what it printed, and its exit code. */
record Lvx(int code, String out, String err) {
  static synchronized Lvx run(String... arguments) {
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
    ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
    try (PrintStream newOut = new PrintStream(outBytes, true, StandardCharsets.UTF_8);
        PrintStream newErr = new PrintStream(errBytes, true, StandardCharsets.UTF_8)) {
      System.setOut(newOut);
      System.setErr(newErr);
      int code = Main.execute(arguments);
      return new Lvx(
          code,
          outBytes.toString(StandardCharsets.UTF_8),
          errBytes.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
  }

  /** The one JSON object that was printed. */
  Map<String, @Nullable Object> json() {
    return JsonReader.readObject(out);
  }

  /** A member of the JSON object that must be there. */
  Object member(String name) {
    return Objects.requireNonNull(json().get(name), name);
  }

  /** A member that is an object itself. */
  Map<String, @Nullable Object> object(String name) {
    return asObject(member(name));
  }

  /** A member that is a list of objects. */
  List<Map<String, @Nullable Object>> objects(String name) {
    return ((List<?>) member(name)).stream().map(Lvx::asObject).toList();
  }

  @SuppressWarnings("unchecked") // what Json reads has strings for names
  private static Map<String, @Nullable Object> asObject(Object value) {
    return (Map<String, @Nullable Object>) value;
  }
}
