// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.util.Map;
import org.lvxattn.DType;
import org.lvxattn.Group;
import org.lvxattn.Strategy;
import org.lvxattn.VisualCheckpoint;
import org.lvxattn.cli.workload.Results;
import org.lvxattn.cli.workload.Split;

/** A layer of one family with the inputs of a golden case. */
interface LayerProblem {
  /** What the decoding form of a layer gives, to be compared with {@code out}. */
  String DECODED = "decoded";

  /** Sequences that the ranks share. */
  record Rows(long text, long visual, long past) {}

  /** How each of the sequences is cut. */
  record Cut(Split text, Split visual, Split past) {}

  /** One way to compute a case. */
  record Way(DType dtype, Strategy strategy, VisualCheckpoint.Policy policy) {}

  Rows rows();

  /** How ranks share the results that {@link #run} gives; parameters' gradients are not shared. */
  Map<String, RowLayout> layouts(Cut cut);

  /** One rank's part: the results of its rows, and the gradients of all parameters. */
  Results run(Group group, Cut cut, Way way);

  /** The whole results under the names of the file. */
  Results named(Results whole);

  /** Whether a result of the file cannot be seen from outside the layer. */
  boolean hides(String name);
}
