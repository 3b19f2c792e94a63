// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.serving;

import java.util.List;
import org.lvxattn.Device;
import org.lvxattn.Mask;
import org.lvxattn.Tensor;
import org.lvxattn.TensorScope;
import org.lvxattn.internal.Preconditions;

/** Which keys the rows of requests see. */
final class BatchMask {
  private BatchMask() {}

  /** Checks one request's ranges, so that a wrong one cannot fail the requests of its batch. */
  static void check(int[][][] visible, int rows, long keys) {
    Preconditions.require(
        visible.length == rows, "visible", visible.length + " rows", rows + " rows like q");
    for (int row = 0; row < rows; row++) {
      String name = "visible[" + row + "]";
      long end = 0;
      for (int[] range : Preconditions.present(visible[row], name)) {
        Preconditions.require(
            Preconditions.present(range, name).length == 2,
            name,
            range.length + " bounds",
            "a begin and an end");
        Preconditions.require(
            end <= range[0] && range[0] <= range[1] && range[1] <= keys,
            name,
            "[" + range[0] + ", " + range[1] + ")",
            "a range within [" + end + ", " + keys + "), since ranges are sorted");
        end = range[1];
      }
    }
  }

  /** The mask of a batch; its tensor is added to the scope. */
  static Mask of(Device device, TensorScope scope, List<PendingRequest> batch, long keys) {
    int rows = 0;
    int ranges = 0;
    for (PendingRequest next : batch) {
      rows += next.rows;
      int[][][] visible = next.request.visible();
      if (visible != null) {
        for (int[][] row : visible) {
          ranges = Math.max(ranges, row.length);
        }
      }
    }
    if (batch.stream().allMatch(next -> next.request.visible() == null)) {
      return Mask.none();
    }
    ranges = Math.max(ranges, 1);
    int[] bounds = new int[rows * ranges * 2];
    int row = 0;
    for (PendingRequest next : batch) {
      int[][][] visible = next.request.visible();
      for (int i = 0; i < next.rows; i++, row++) {
        int[][] own = visible == null ? new int[][] {{0, Math.toIntExact(keys)}} : visible[i];
        int last = 0;
        for (int range = 0; range < ranges; range++) {
          // Unused ranges are empty, and begin where the last one ends.
          int at = (row * ranges + range) * 2;
          bounds[at] = range < own.length ? own[range][0] : last;
          bounds[at + 1] = range < own.length ? own[range][1] : last;
          last = bounds[at + 1];
        }
      }
    }
    return Mask.visible(scope.add(Tensor.of(device, bounds, 1, rows, ranges, 2)));
  }
}
