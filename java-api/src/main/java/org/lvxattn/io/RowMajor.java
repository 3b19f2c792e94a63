// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.lvxattn.HostView;
import org.lvxattn.Tensor;

/** Reads the bytes of a tensor with any strides in row-major order, in pieces. */
final class RowMajor {
  private static final long PIECE_BYTES = 1 << 20;

  /** Receives the pieces in order. */
  interface Sink {
    void accept(MemorySegment piece) throws IOException;
  }

  private RowMajor() {}

  static void forEachPiece(Tensor tensor, Sink sink) throws IOException {
    if (tensor.elements() == 0) {
      return;
    }
    long[] shape = tensor.shape();
    long[] strides = tensor.strides();
    int width = tensor.dtype().bytes();
    // From dimension `outer` on, elements are contiguous.
    int outer = shape.length;
    long run = 1;
    while (outer > 0 && (strides[outer - 1] == run || shape[outer - 1] == 1)) {
      outer--;
      run *= shape[outer];
    }
    try (HostView view = HostView.reading(tensor)) {
      forEachPiece(view.segment(), shape, strides, outer, width, run * width, sink);
    }
  }

  private static void forEachPiece(
      MemorySegment data,
      long[] shape,
      long[] strides,
      int outer,
      int width,
      long runBytes,
      Sink sink)
      throws IOException {
    if (outer == 0 || runBytes >= PIECE_BYTES) {
      forEachRun(shape, strides, outer, at -> sink.accept(data.asSlice(at * width, runBytes)));
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment piece = arena.allocate(PIECE_BYTES / runBytes * runBytes);
      long[] filled = {0};
      forEachRun(
          shape,
          strides,
          outer,
          at -> {
            MemorySegment.copy(data, at * width, piece, filled[0], runBytes);
            filled[0] += runBytes;
            if (filled[0] == piece.byteSize()) {
              sink.accept(piece);
              filled[0] = 0;
            }
          });
      if (filled[0] > 0) {
        sink.accept(piece.asSlice(0, filled[0]));
      }
    }
  }

  private interface Run {
    /**
     * @param element index of the run's first element
     */
    void at(long element) throws IOException;
  }

  /** Visits every index combination of the outer dimensions. */
  private static void forEachRun(long[] shape, long[] strides, int outer, Run run)
      throws IOException {
    long[] position = new long[outer];
    long element = 0;
    int dimension;
    do {
      run.at(element);
      for (dimension = outer - 1; dimension >= 0; dimension--) {
        element += strides[dimension];
        if (++position[dimension] < shape[dimension]) {
          break;
        }
        element -= position[dimension] * strides[dimension];
        position[dimension] = 0;
      }
    } while (dimension >= 0);
  }
}
