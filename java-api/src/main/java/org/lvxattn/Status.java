// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * The kind of a failure. Up to {@link #INTERRUPTED} the order is that of the native library's C
 * header; only the Java side sets the later ones.
 */
public enum Status {
  /** No failure. */
  OK,
  /** An argument was null, or of a wrong dtype, shape, stride or device, or outputs overlapped. */
  INVALID_ARGUMENT,
  /** A native object was closed or is of another type. */
  INVALID_HANDLE,
  /** The object cannot do this now: its group failed, or it is still in use. */
  INVALID_STATE,
  /** A valid request that this device, strategy or build does not support. */
  UNSUPPORTED,
  /** The device's memory or its budget does not suffice; all objects stay usable. */
  OUT_OF_MEMORY,
  /** A peer did not answer in time. */
  TIMEOUT,
  /** A peer left, failed or died. */
  PEER_LOST,
  /** A peer called a different collective; no data moved, the group stays usable. */
  PEER_MISMATCH,
  /** An optional native library could not be loaded. */
  MISSING_LIBRARY,
  /** The device failed; close it. The process cannot use a GPU any more. */
  DEVICE_ERROR,
  /** A bug of this library. */
  INTERNAL,
  /** The thread was interrupted while it waited for other ranks. */
  INTERRUPTED,
  /** Ranks cannot form a group; waiting would not help. */
  JOIN_FAILED;

  private static final Status[] VALUES = values();

  /** A number that this version does not know is also a bug of the library. */
  static Status of(int number) {
    Status status = number >= 0 && number < VALUES.length ? VALUES[number] : INTERNAL;
    return status == JOIN_FAILED ? INTERNAL : status;
  }
}
