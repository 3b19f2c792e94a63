// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

/**
 * What kind of failure this is. The order is that of the native library's C header, up to {@link
 * #INTERNAL}; the Java side alone finds what follows.
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
  /** A valid request that this device, strategy or build does not serve. */
  UNSUPPORTED,
  /** The device's memory or its budget does not suffice; everything stays usable. */
  OUT_OF_MEMORY,
  /** A peer did not answer in time. */
  DEADLINE_EXCEEDED,
  /** A peer left, failed or died. */
  PEER_LOST,
  /** A peer called something else; found before data moved, the group stays usable. */
  PEER_MISMATCH,
  /** An optional native library could not be loaded. */
  MISSING_LIBRARY,
  /** The device failed; close it. A GPU is lost to the whole process. */
  DEVICE_ERROR,
  /** A fault of this library. */
  INTERNAL,
  /** Ranks that were to form a group do not fit together; waiting would not help. */
  JOIN_FAILED;

  private static final Status[] VALUES = values();

  /** A number this version does not know is a fault of the library, too. */
  static Status of(int number) {
    Status status = number >= 0 && number < VALUES.length ? VALUES[number] : INTERNAL;
    return status == JOIN_FAILED ? INTERNAL : status;
  }
}
