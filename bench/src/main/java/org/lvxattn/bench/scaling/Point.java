// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bench.scaling;

import org.lvxattn.DType;
import org.lvxattn.bench.Sizes;
import org.lvxattn.plan.AttentionProblem;
import org.lvxattn.plan.AttentionSizes;
import org.lvxattn.plan.Shards;

/** A problem over a number of ranks, with evenly split sequences. */
record Point(int ranks, Sizes sizes, DType dtype) {
  AttentionSizes attentionSizes() {
    return new AttentionSizes(
        sizes.batch(), sizes.heads(), sizes.keyValueHeads(), sizes.headDim(), dtype);
  }

  AttentionProblem problem() {
    return AttentionProblem.of(attentionSizes(), shards());
  }

  Sizes shard(int rank) {
    Shards shards = shards();
    return new Sizes(
        sizes.batch(),
        shards.queries().get(rank),
        shards.keys().get(rank),
        sizes.heads(),
        sizes.keyValueHeads(),
        sizes.headDim());
  }

  private Shards shards() {
    return Shards.even(sizes.queries(), sizes.keys(), ranks);
  }
}
