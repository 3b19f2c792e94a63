// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.NoSuchFileException;
import org.lvxattn.LvxException;
import org.lvxattn.Status;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** {@code lvx}: the command-line tool of the library. */
@Command(
    name = "lvx",
    description = "Exact distributed cross-attention.",
    mixinStandardHelpOptions = true,
    versionProvider = VersionOfBuild.class,
    footer = {
      "",
      "For contributors (each takes --help): lvx build, dist, format, check and test.",
      "Exit codes: 0 success, 1 a check failed, 2 bad usage or something missing."
    },
    sortOptions = false)
public final class Main {
  private static final int FAILED = 1;
  private static final int UNUSABLE = 2;

  @Option(
      names = "--debug",
      scope = CommandLine.ScopeType.INHERIT,
      description = "Print stack traces of failures (also: LVX_DEBUG=1).")
  private boolean debug;

  /** Runs the command and exits with its code. */
  public static void main(String[] arguments) {
    System.exit(execute(arguments));
  }

  /** Runs the command and returns its exit code. */
  static int execute(String... arguments) {
    Main main = new Main();
    CommandLine line = new CommandLine(main);
    for (Object command :
        new Object[] {
          new RunCommand(),
          new CompareCommand(),
          new PlanCommand(),
          new MemoryCommand(),
          new VerifyCommand(),
          new KernelCommand(),
          new TrainDemoCommand(),
          new DoctorCommand()
        }) {
      CommandLine sub = new CommandLine(command);
      sub.getCommandSpec().mixinStandardHelpOptions(true);
      line.addSubcommand(sub);
    }
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setParameterExceptionHandler(Main::explainUsage);
    line.setExecutionExceptionHandler((e, at, parsed) -> main.explainFailure(e, at));
    try {
      return line.execute(arguments);
    } catch (LinkageError | OutOfMemoryError e) { // picocli handles exceptions only, not errors
      return main.explainFailure(e, line);
    }
  }

  private static int explainUsage(ParameterException e, String[] arguments) {
    CommandLine at = e.getCommandLine();
    PrintWriter err = at.getErr();
    err.println("lvx: " + e.getMessage());
    CommandLine.UnmatchedArgumentException.printSuggestions(e, err);
    err.println("Try '" + at.getCommandSpec().qualifiedName() + " --help'.");
    return UNUSABLE;
  }

  private int explainFailure(Throwable failure, CommandLine at) {
    PrintWriter err = at.getErr();
    if (debug || "1".equals(System.getenv("LVX_DEBUG"))) {
      failure.printStackTrace(err);
    }
    err.println("lvx: " + message(failure));
    return isUnusable(failure) ? UNUSABLE : FAILED;
  }

  private static String message(Throwable failure) {
    return switch (failure) {
      case UsageException e -> String.valueOf(e.getMessage());
      case IllegalArgumentException e -> String.valueOf(e.getMessage());
      case NoSuchFileException e -> e.getFile() + ": no such file";
      case IOException e -> String.valueOf(e.getMessage());
      case OutOfMemoryError e -> "the Java heap does not suffice: " + e.getMessage();
      default -> failure.getClass().getSimpleName() + ": " + failure.getMessage();
    };
  }

  private static boolean isUnusable(Throwable failure) {
    return switch (failure) {
      case UsageException e -> true;
      case IllegalArgumentException e -> true;
      case IOException e -> true;
      case LinkageError e -> true;
      case LvxException e -> e.status() == Status.MISSING_LIBRARY;
      default -> false;
    };
  }
}
