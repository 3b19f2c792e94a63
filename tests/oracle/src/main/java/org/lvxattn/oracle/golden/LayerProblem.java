// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.Map;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.group.Group;
import org.lvxattn.oracle.Results;
import org.lvxattn.oracle.Split;
import org.lvxattn.plan.RecomputePolicy;

/** A layer of one family with the inputs of a golden case. */
interface LayerProblem {
  /** Name of the result of a layer's decode, which is compared with {@code out}. */
  String DECODED = "decoded";

  /** Lengths of the sharded sequences. */
  record Rows(long text, long visual, long past) {}

  /** How each of the sequences is sharded. */
  record Cut(Split text, Split visual, Split past) {}

  /** One way to compute a case. */
  record Way(DType dtype, Strategy strategy, RecomputePolicy policy) {}

  Rows rows();

  /** How the results of {@link #run} are sharded; parameters' gradients are not. */
  Map<String, RowLayout> layouts(Cut cut);

  /** Runs one rank: returns the results of its rows, and the gradients of all parameters. */
  Results run(Group group, Cut cut, Way way);

  /** The whole results, under the names of the file. */
  Results named(Results whole);

  /** Whether a result of the file is not visible outside the layer. */
  boolean hides(String name);
}
