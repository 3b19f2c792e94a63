// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.output;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * A progress bar on standard error. It appears once the work has taken a second, and only if
 * standard error is a terminal. Standard output has results only.
 */
public final class Progress implements AutoCloseable {
  private static final long QUIET_NANOS = Duration.ofSeconds(1).toNanos();
  private static final int WIDTH = 90;

  private final PrintStream err;
  private final long begin = System.nanoTime();
  private final ProgressBar bar;
  private volatile boolean shown;

  private Progress(String task, long steps, PrintStream err, boolean terminal) {
    this.err = err;
    this.bar =
        new ProgressBarBuilder()
            .setTaskName(task)
            .setInitialMax(steps)
            .setStyle(ProgressBarStyle.ASCII)
            .setUpdateIntervalMillis(200)
            // A custom consumer, since the library's calls native code for the terminal's width.
            .setConsumer(new DelegatingProgressBarConsumer(terminal ? this::show : l -> {}, WIDTH))
            .build();
  }

  public static Progress of(String task, long steps) {
    return new Progress(task, steps, System.err, isTerminal());
  }

  private void show(String line) {
    if (System.nanoTime() - begin >= QUIET_NANOS) {
      shown = true;
      err.print('\r' + line);
      err.flush();
    }
  }

  public void step() {
    bar.step();
  }

  /** Shows the current activity. */
  public void doing(String what) {
    bar.setExtraMessage(what);
  }

  @Override
  public void close() {
    bar.close();
    if (shown) {
      err.println();
    }
  }

  private static boolean isTerminal() {
    try {
      String target = Files.readSymbolicLink(Path.of("/proc/self/fd/2")).toString();
      return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty");
    } catch (IOException | UnsupportedOperationException e) {
      return false; // unknown: avoid control characters in a log
    }
  }
}
