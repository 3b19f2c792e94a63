// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.plan;

/** Adds up the parts of a call's workspace, with the padding of the native side. */
final class Workspace {
  private static final long ALIGNMENT = 64;

  private long bytes;

  void reserve(long piece) {
    bytes += (piece + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  long bytes() {
    return bytes;
  }
}
