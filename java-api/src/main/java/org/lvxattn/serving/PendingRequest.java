// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.serving;

import java.util.concurrent.CompletableFuture;
import org.lvxattn.SharedKeyValues;

/** A request that waits or is computed. */
final class PendingRequest {
  final AttentionRequest request;
  final int rows;
  final CompletableFuture<AttentionResult> future = new CompletableFuture<>();
  final long submittedNanos = System.nanoTime();
  private final SharedKeyValues.Hold hold;

  PendingRequest(AttentionRequest request, int rows) {
    this.request = request;
    this.rows = rows;
    this.hold = request.keyValues().hold();
  }

  /** Lets the keys and values be closed as far as this request is concerned. */
  void end() {
    hold.close();
  }
}
