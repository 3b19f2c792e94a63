// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.lang.foreign.MemorySegment;
import java.util.Set;
import org.lvxattn.bindings.generated.lvx_statistics;

/**
 * The cost of one call on this rank. The caller owns it and may pass it to any number of calls;
 * each overwrites it. Not thread-safe.
 *
 * <p>Bytes and messages count payload only. Headers and handshakes are counted as control bytes and
 * messages.
 *
 * <p>Seconds are those of the calling thread. CUDA calls are asynchronous: there, compute time is
 * the time to enqueue work, and wait time may include computation.
 */
public final class Statistics {
  private long bytesSent;
  private long messagesSent;
  private long interNodeBytesSent;
  private long bytesReceived;
  private long messagesReceived;
  private long controlBytesSent;
  private long controlMessagesSent;
  private long peakBytes;
  private double totalSeconds;
  private double computeSeconds;
  private double exposedWaitSeconds;
  private Strategy strategy = Strategy.QUERY_RING;
  private int attentionBackends;

  private Statistics() {}

  /** Statistics that no call has filled yet: all zero. */
  public static Statistics create() {
    return new Statistics();
  }

  /** Payload that this rank sent to others, in bytes. */
  public long bytesSent() {
    return bytesSent;
  }

  /** Messages of payload that this rank sent. */
  public long messagesSent() {
    return messagesSent;
  }

  /** The part of {@link #bytesSent} that went to ranks on other nodes. */
  public long interNodeBytesSent() {
    return interNodeBytesSent;
  }

  /** Payload that this rank received, in bytes. */
  public long bytesReceived() {
    return bytesReceived;
  }

  /** Messages of payload that this rank received. */
  public long messagesReceived() {
    return messagesReceived;
  }

  /** Headers and handshakes that this rank sent, in bytes. */
  public long controlBytesSent() {
    return controlBytesSent;
  }

  /** Messages of headers and handshakes that this rank sent. */
  public long controlMessagesSent() {
    return controlMessagesSent;
  }

  /** The largest workspace in addition to the caller's tensors, in bytes. */
  public long peakBytes() {
    return peakBytes;
  }

  /** Duration of the whole call, in seconds. */
  public double totalSeconds() {
    return totalSeconds;
  }

  /** The part of {@link #totalSeconds} in which this rank computed. */
  public double computeSeconds() {
    return computeSeconds;
  }

  /** The part of {@link #totalSeconds} spent waiting for transfers, not hidden behind compute. */
  public double exposedWaitSeconds() {
    return exposedWaitSeconds;
  }

  /** The strategy that ran. */
  public Strategy strategy() {
    return strategy;
  }

  /**
   * The attention backends that computed attention; more than one if {@link AttentionBackend#AUTO}
   * chose differently for blocks of different sizes. {@link AttentionBackend#LVX} for a CPU.
   */
  public Set<AttentionBackend> attentionBackends() {
    return AttentionBackend.ofBits(attentionBackends);
  }

  void read(MemorySegment struct) {
    bytesSent = lvx_statistics.bytes_sent(struct);
    messagesSent = lvx_statistics.messages_sent(struct);
    interNodeBytesSent = lvx_statistics.inter_node_bytes_sent(struct);
    bytesReceived = lvx_statistics.bytes_received(struct);
    messagesReceived = lvx_statistics.messages_received(struct);
    controlBytesSent = lvx_statistics.control_bytes_sent(struct);
    controlMessagesSent = lvx_statistics.control_messages_sent(struct);
    peakBytes = lvx_statistics.peak_bytes(struct);
    totalSeconds = lvx_statistics.total_seconds(struct);
    computeSeconds = lvx_statistics.compute_seconds(struct);
    exposedWaitSeconds = lvx_statistics.exposed_wait_seconds(struct);
    strategy = Strategy.of(lvx_statistics.strategy(struct));
    attentionBackends = lvx_statistics.attention_backends(struct);
  }

  @Override
  public String toString() {
    return "Statistics["
        + strategy
        + ", "
        + bytesSent
        + " bytes sent, "
        + peakBytes
        + " bytes of workspace, "
        + totalSeconds
        + " s]";
  }
}
