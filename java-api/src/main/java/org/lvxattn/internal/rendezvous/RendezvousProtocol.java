// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The protocol of a rendezvous over TCP.
 *
 * <pre>
 * rank    LVXRDVR, version, nonce[32], CR LF CR LF
 * server  LVXRDVS, version, mode, nonce[32]
 * rank    frame PROOF
 * server  frame PROOF
 * rank    frame WHO: identity[16], rank, size; frame SAYS: what the rank says
 * server  frame ADMITTED; when all have come, frame GATHERED: for each rank its length and bytes
 * </pre>
 *
 * <p>The server may answer any message by a frame REFUSED: reason, rank, text. A frame consists of
 * its type (1 byte), the length of its body (4 bytes), the body and a MAC; see {@link
 * RendezvousKeys}. The empty lines make servers of line-based protocols answer at once, so that
 * they are recognised.
 */
public final class RendezvousProtocol {
  static final byte VERSION = 2;

  /** Mode: whether the key is derived from a secret or public. */
  static final byte OPEN = 0;

  static final byte SECRET = 1;

  static final byte PROOF = 10;
  static final byte WHO = 11;
  static final byte SAYS = 12;
  static final byte ADMITTED = 13;
  static final byte GATHERED = 14;
  static final byte REFUSED = 15;

  /** Reasons of REFUSED. */
  static final byte TIMED_OUT = 0;

  static final byte DOES_NOT_FIT = 1;
  static final byte WRONG_SECRET = 2;

  static final int NONCE = 32;
  static final int MAGIC = 7;
  static final int RANK_GREETING = MAGIC + 1 + NONCE + 4;
  static final int SERVER_GREETING = MAGIC + 2 + NONCE;
  static final int WHO_BYTES = 24;

  /** Largest size of the text of a refusal, in bytes. */
  static final int REFUSAL_BYTES = 2048;

  /** Time for one step of a connected process: other programs must not delay the ranks. */
  static final Duration STEP = Duration.ofSeconds(5);

  private static final byte[] RANK_MAGIC = ascii("LVXRDVR");
  private static final byte[] SERVER_MAGIC = ascii("LVXRDVS");

  /** The first bytes of ranks with version 1. */
  private static final byte[] FIRST_MAGIC = ascii("LVXRDVZ");

  private static final int MOST_BYTES = 1 << 20;
  private static final SecureRandom RANDOM = new SecureRandom();

  private RendezvousProtocol() {}

  /** Largest size of a rank's message, in bytes. */
  static int mostBytes(int size) {
    return (int) Math.min(MOST_BYTES, (64L << 10) + 1024L * size);
  }

  static byte[] random(int bytes) {
    byte[] nonce = new byte[bytes];
    RANDOM.nextBytes(nonce);
    return nonce;
  }

  static byte[] rankGreeting() {
    return ByteBuffer.allocate(RANK_GREETING)
        .put(RANK_MAGIC)
        .put(VERSION)
        .put(random(NONCE))
        .put(ascii("\r\n\r\n"))
        .array();
  }

  static byte[] serverGreeting(@Nullable String secret) {
    return ByteBuffer.allocate(SERVER_GREETING)
        .put(SERVER_MAGIC)
        .put(VERSION)
        .put(secret == null ? OPEN : SECRET)
        .put(random(NONCE))
        .array();
  }

  /** Whether bytes, up to length, can be the beginning of a rank's greeting. */
  static boolean isRank(byte[] bytes, int length) {
    return startAlike(bytes, length, RANK_MAGIC);
  }

  static boolean isServer(byte[] bytes, int length) {
    return startAlike(bytes, length, SERVER_MAGIC);
  }

  static boolean isFirstVersion(byte[] bytes, int length) {
    return startAlike(bytes, length, FIRST_MAGIC);
  }

  private static boolean startAlike(byte[] bytes, int length, byte[] magic) {
    int common = Math.min(length, MAGIC);
    return Arrays.equals(bytes, 0, common, magic, 0, common);
  }

  /** An excerpt of received bytes for messages: printable and short. */
  static String excerpt(byte[] bytes, int length) {
    StringBuilder text = new StringBuilder("'");
    for (int i = 0; i < Math.min(length, 24); i++) {
      int each = bytes[i] & 0xff;
      if (each >= 0x20 && each < 0x7f) {
        text.append((char) each);
      } else {
        text.append(String.format("\\x%02x", each));
      }
    }
    return text.append(length > 24 ? "...'" : "'").toString();
  }

  /** Makes a text of unknown origin safe for messages and the log. */
  static String harmless(String text) {
    String line = text.replaceAll("\\p{C}", "?");
    return line.length() > 1000 ? line.substring(0, 1000) + "..." : line;
  }

  /** A duration for a message. */
  public static String seconds(Duration duration) {
    double seconds = duration.getSeconds() + duration.getNano() * 1e-9;
    String text = String.format(java.util.Locale.ROOT, "%.1f", seconds);
    return (text.endsWith(".0") ? text.substring(0, text.length() - 2) : text) + " s";
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
