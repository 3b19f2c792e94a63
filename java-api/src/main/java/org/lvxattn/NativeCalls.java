// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.lvxattn.bindings.NativeLibrary;
import org.lvxattn.bindings.Pointers;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_error;

/** Loads the native library and turns its statuses into exceptions. */
final class NativeCalls {
  private NativeCalls() {}

  /**
   * Loads the library; every class through which a program can enter calls this first.
   *
   * @throws LinkageError if it cannot be loaded or speaks another version of the C ABI
   */
  static void load() {
    NativeLibrary.load();
    int found = Lvx.lvx_abi_version();
    if (found != Lvx.LVX_ABI_VERSION()) {
      throw new LinkageError(
          NativeLibrary.file()
              + " has ABI version "
              + found
              + "; this version of lvxattn needs "
              + Lvx.LVX_ABI_VERSION());
    }
  }

  /** The version of the native library. */
  static String version() {
    return Pointers.text(Lvx.lvx_version());
  }

  /** Throws what a status other than LVX_OK stands for; allocates nothing otherwise. */
  static void check(int status) {
    if (status != Lvx.LVX_OK()) {
      throw failure();
    }
  }

  /** The rank at fault in this thread's last failure, or -1. */
  static int lastRank() {
    try (Arena arena = Arena.ofConfined()) {
      return lvx_error.rank(lastError(arena));
    }
  }

  private static MemorySegment lastError(Arena arena) {
    MemorySegment error = lvx_error.allocate(arena);
    lvx_error.struct_size(error, lvx_error.sizeof());
    Lvx.lvx_last_error(error);
    return error;
  }

  /** Arguments as Java's callers know them, where C has another name. */
  private static String namesInJava(String message) {
    return message
        .replaceAll("\\bd_o\\b", "dO")
        .replaceAll("\\bdbias\\b", "dBias")
        .replaceAll("\\bdweight\\b", "dWeight")
        .replaceAll("\\bdgate\\b", "dGate")
        .replaceAll("\\bdup\\b", "dUp")
        .replaceAll("\\bdbranch\\b", "dBranch")
        .replaceAll("\\badd_dx\\b", "addDx")
        .replaceAll("\\bd_features\\b", "dFeatures")
        .replaceAll("\\braw_k\\b", "rawK")
        .replaceAll("\\bkey_heads\\b", "keyValueHeads")
        .replaceAll("\\bhead_dim\\b", "headDim")
        .replaceAll("\\btile_rows\\b", "tileRows")
        .replaceAll("\\b(input|key|value)_weight\\b", "$1Weight")
        .replaceAll("\\b(input|value)_bias\\b", "$1Bias")
        .replaceAll("\\bo_part\\b", "oPart")
        .replaceAll("\\blse_part\\b", "lsePart");
  }

  private static RuntimeException failure() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment error = lastError(arena);
      Status status = Status.of(lvx_error.status(error));
      String message = namesInJava(lvx_error.message(error).getString(0));
      String operation = lvx_error.operation(error).getString(0);
      int rank = lvx_error.rank(error);
      long sequence = lvx_error.sequence(error);
      return switch (status) {
        case INVALID_ARGUMENT -> new IllegalArgumentException(message);
        case UNSUPPORTED -> new UnsupportedRequestException(message);
        case INVALID_HANDLE, INVALID_STATE -> new IllegalStateException(message);
        case OUT_OF_MEMORY -> new OutOfDeviceMemoryException(message);
        case DEADLINE_EXCEEDED -> new DeadlineExceededException(message, rank, sequence, operation);
        case PEER_LOST -> new PeerLostException(message, rank, sequence, operation);
        case PEER_MISMATCH -> new PeerMismatchException(message, rank, sequence, operation);
        case DEVICE_ERROR -> new DeviceFailedException(message);
        case OK, MISSING_LIBRARY, INTERNAL, JOIN_FAILED -> new LvxException(status, message);
      };
    }
  }
}
