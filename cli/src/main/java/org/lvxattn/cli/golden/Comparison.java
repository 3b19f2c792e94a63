// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.util.Map;
import org.lvxattn.Strategy;

/** What a golden file asks for, computed in one dtype and compared with the file. */
interface Comparison {
  /** How far results are off, by tensor; asked for by the one rank that judges. */
  interface Judgement {
    Map<String, Double> errors();
  }

  /**
   * The whole computation, on every rank alike, before any judgement: what ranks exchange depends
   * on no result.
   */
  Judgement compute(Strategy strategy, Ranks ranks);

  /** The largest error that a tensor may have. */
  double bound(String tensor);
}
