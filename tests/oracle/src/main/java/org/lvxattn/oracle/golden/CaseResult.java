// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.errors.RelativeError;

/**
 * The result of one case for one strategy and number of ranks: errors by tensor (NaN for a
 * failure), and digests by way and tensor if requested.
 */
public record CaseResult(
    String name,
    Strategy strategy,
    int ranks,
    DType dtype,
    Status status,
    Map<String, Double> errors,
    Map<String, String> digests,
    String reason) {

  /** The outcome; a skipped case neither passes nor fails. */
  public enum Status {
    PASSED,
    FAILED,
    SKIPPED
  }

  /** The largest of the errors. */
  public double worstError() {
    return errors.values().stream().reduce(0.0, RelativeError::worse);
  }

  public Map<String, Object> toJson() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("case", name);
    json.put("strategy", strategy.name());
    json.put("ranks", ranks);
    json.put("dtype", dtype.toString());
    json.put("status", status.name().toLowerCase(Locale.ROOT));
    json.put("errors", errors);
    if (!digests.isEmpty()) {
      json.put("digests", digests);
    }
    json.put("reason", reason);
    return json;
  }
}
