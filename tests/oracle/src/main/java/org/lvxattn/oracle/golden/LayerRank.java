// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.util.ArrayDeque;
import java.util.Deque;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;
import org.lvxattn.model.Gradients;
import org.lvxattn.model.Parameters;
import org.lvxattn.model.RowShard;
import org.lvxattn.oracle.Results;
import org.lvxattn.oracle.Split;
import org.lvxattn.oracle.golden.LayerProblem.Cut;
import org.lvxattn.oracle.golden.LayerProblem.Way;
import org.lvxattn.visual.VisualCheckpoint;

/** One rank's part of a layer's case: its shards of the inputs, and its results. */
final class LayerRank implements AutoCloseable {
  /** A small number, so that there are many tiles. */
  private static final long TILE_ROWS = 5;

  private final LayerFile file;
  private final Group group;
  private final Cut cut;
  private final Way way;
  private final Results results = new Results();
  private final Deque<Runnable> endings = new ArrayDeque<>();

  LayerRank(LayerFile file, Group group, Cut cut, Way way) {
    this.file = file;
    this.group = group;
    this.cut = cut;
    this.way = way;
  }

  Group group() {
    return group;
  }

  /** All parameters. */
  Parameters weights() {
    Parameters weights = file.parameters(group.device(), way.dtype());
    endings.push(weights::close);
    return weights;
  }

  /** Gradients of all parameters, initially 0. */
  Gradients gradients() {
    Gradients gradients = Gradients.zeros(group.device(), way.dtype(), file.weightShapes());
    endings.push(gradients::close);
    return gradients;
  }

  /** This rank's rows of a tensor of text rows, [blocks, rows, width]. */
  Tensor text(String name, int blocks, int width) {
    return opened(shard(name, new RowLayout(blocks, cut.text(), width)));
  }

  /** This rank's rows of a tensor of cached rows, [blocks, rows, width]. */
  Tensor past(String name, int blocks, int width) {
    return opened(shard(name, new RowLayout(blocks, cut.past(), width)));
  }

  /** This rank's visual features, [batch, rows, width]. */
  VisualCheckpoint visual(String name, int batch, int width) {
    Tensor features = shard(name, new RowLayout(batch, cut.visual(), width));
    VisualCheckpoint visual =
        VisualCheckpoint.builder(group, features)
            .closeFeatures()
            .policy(way.policy())
            .tileRows(TILE_ROWS)
            .build();
    endings.push(visual::close);
    return visual;
  }

  /** Adds a resource that is closed at the end. */
  private Tensor opened(Tensor tensor) {
    endings.push(tensor::close);
    return tensor;
  }

  void atEnd(Runnable ending) {
    endings.push(ending);
  }

  RowShard textRows() {
    return shardOf(cut.text());
  }

  private RowShard shardOf(Split split) {
    int rank = group.rank();
    return new RowShard(split.begin(rank), split.end(rank), split.end(split.ranks() - 1));
  }

  private Tensor shard(String name, RowLayout layout) {
    return layout.shard(group.device(), way.dtype(), file.floats(name), group.rank());
  }

  void put(String name, Tensor tensor) {
    results.put(name, tensor.toDoubles());
  }

  /** Puts [batch, rows, heads, headDim] in the files' layout, [batch, heads, rows, headDim]. */
  void putHeads(String name, Tensor tensor) {
    put(name, tensor.permute(0, 2, 1, 3));
  }

  void put(String name, double[] values) {
    results.put(name, values);
  }

  /** The gradients of all parameters, summed over the ranks. */
  void put(Gradients gradients) {
    gradients.allReduce(group);
    gradients.tensors().forEach((name, tensor) -> put("grad.w." + name, tensor));
  }

  Results results() {
    return results;
  }

  @Override
  public void close() {
    while (!endings.isEmpty()) {
      endings.pop().run();
    }
  }
}
