// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.lvxattn.cli.output.Json;

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
    return Json.readObject(out);
  }
}
