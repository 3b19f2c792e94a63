// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.oracle.Split;

/** How a tensor [blocks, rows, width] is sharded over the ranks along its rows. */
record RowLayout(int blocks, Split split, int width) {
  /** A rank's shard of a whole tensor, [blocks, rows of the rank, width]. The caller closes it. */
  Tensor shard(Device device, DType dtype, float[] whole, int rank) {
    int rows = Math.toIntExact(split.end(split.ranks() - 1));
    if (whole.length != blocks * rows * width) {
      throw new GoldenException(
          "a tensor of " + whole.length + " numbers, expected " + blocks * rows * width);
    }
    int begin = Math.toIntExact(split.begin(rank));
    int own = Math.toIntExact(split.rows(rank));
    float[] values = new float[blocks * own * width];
    for (int block = 0; block < blocks; block++) {
      System.arraycopy(
          whole, (block * rows + begin) * width, values, block * own * width, own * width);
    }
    Tensor tensor = Tensor.allocate(device, dtype, blocks, own, width);
    try {
      return tensor.copyFrom(values);
    } catch (RuntimeException e) {
      tensor.close();
      throw e;
    }
  }
}
