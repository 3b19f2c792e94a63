// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.lvxattn.DType;
import org.lvxattn.cli.output.Table;
import org.lvxattn.cli.output.Units;
import org.lvxattn.cli.workload.KernelTiming;
import org.lvxattn.oracle.AttentionShape;

/** The report of {@code lvx kernel}, as JSON or text. */
record KernelReport(
    AttentionShape shape,
    KernelCommand.Pass pass,
    DType dtype,
    String device,
    String deviceName,
    int threads,
    KernelTiming timing) {

  private double gflops() {
    double flops =
        pass == KernelCommand.Pass.BACKWARD ? shape.backwardFlops() : shape.forwardFlops();
    return flops / timing.medianSeconds() * 1e-9;
  }

  private double gigabytesPerSecond() {
    return timing.bytesTouched() / timing.medianSeconds() * 1e-9;
  }

  private String passWord() {
    return pass.name().toLowerCase(Locale.ROOT);
  }

  Map<String, Object> toJson() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("shape", shape.toJson());
    json.put("pass", passWord());
    json.put("dtype", dtype.toString());
    json.put("device", device);
    json.put("deviceName", deviceName);
    json.put("threads", threads);
    json.put("medianSeconds", timing.medianSeconds());
    json.put("gflops", gflops());
    json.put("gigabytesPerSecond", gigabytesPerSecond());
    json.put("gemmGflops", timing.gemmGflops());
    json.put("readGigabytesPerSecond", timing.readGigabytesPerSecond());
    return json;
  }

  String toText() {
    Table table = new Table("", "GFLOP/s", "GB/s");
    table.row(passWord(), number(gflops()), number(gigabytesPerSecond()));
    table.row("float32 matrix product", number(timing.gemmGflops()), "-");
    table.row("reading memory", "-", number(timing.readGigabytesPerSecond()));
    table.row(
        "share reached",
        percent(gflops() / timing.gemmGflops()),
        percent(gigabytesPerSecond() / timing.readGigabytesPerSecond()));
    return String.format(
        Locale.ROOT,
        "%s, %s: %d x %d queries, %d keys, %d/%d heads of %d%n%s, %d threads: %s (median)%n%n%s",
        passWord(),
        dtype,
        shape.batch(),
        shape.queries(),
        shape.keys(),
        shape.queryHeads(),
        shape.keyHeads(),
        shape.headDim(),
        deviceName,
        threads,
        Units.seconds(timing.medianSeconds()),
        table);
  }

  private static String number(double value) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.1f", value);
  }

  private static String percent(double share) {
    return Double.isNaN(share) ? "-" : String.format(Locale.ROOT, "%.0f %%", 100 * share);
  }
}
