// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.duel;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A process, in any language, that answers the requests of {@link KernelWorker}. */
final class Worker implements AutoCloseable {
  private final String name;
  private final Process process;
  private final BufferedWriter requests;
  private final BufferedReader answers;

  Worker(String name, List<String> command) throws IOException {
    this.name = name;
    process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    requests = process.outputWriter(StandardCharsets.UTF_8);
    answers = process.inputReader(StandardCharsets.UTF_8);
  }

  String name() {
    return name;
  }

  void prepare(Case what) throws IOException {
    ask("prepare " + what.shape().sizes() + " " + what.passOfKernel() + " " + what.dtype());
  }

  /** Mean seconds of one call, over the given number of calls. */
  double run(int calls) throws IOException {
    return Double.parseDouble(ask("run " + calls));
  }

  double bytes() throws IOException {
    return Double.parseDouble(ask("bytes"));
  }

  double gemmSeconds(long n) throws IOException {
    return Double.parseDouble(ask("gemm " + n));
  }

  double readSeconds(long bytes) throws IOException {
    return Double.parseDouble(ask("read " + bytes));
  }

  String ask(String request) throws IOException {
    requests.write(request);
    requests.newLine();
    requests.flush();
    String answer = answers.readLine();
    if (answer == null) {
      throw new IOException(name + " ended at the request '" + request + "'");
    }
    if (answer.startsWith("error ")) {
      throw new IOException(name + ", asked to '" + request + "': " + answer.substring(6));
    }
    return answer;
  }

  @Override
  public void close() throws IOException {
    requests.close(); // the worker exits at the end of its input
    try {
      process.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      process.destroy();
    }
  }
}
