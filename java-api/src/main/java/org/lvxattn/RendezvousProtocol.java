// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What both sides of a rendezvous over TCP agree on.
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
 * <p>The server may answer anything by a frame REFUSED: reason, rank, text. A frame is its type (1
 * byte), its length (4 bytes), as many bytes, and a MAC over them and all that went before, by
 * {@link RendezvousKeys}. The empty lines make servers that speak in lines answer at once: so they
 * are known for what they are.
 */
final class RendezvousProtocol {
  static final byte VERSION = 2;

  /** Mode: whether the key comes from a secret, or is known to everybody. */
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

  /** Of a text that says why somebody was refused, in bytes. */
  static final int REFUSAL_BYTES = 2048;

  /** For one step of somebody who has connected: strangers must not hold up ranks. */
  static final Duration STEP = Duration.ofSeconds(5);

  private static final byte[] RANK_MAGIC = ascii("LVXRDVR");
  private static final byte[] SERVER_MAGIC = ascii("LVXRDVS");

  /** What ranks of version 1 begin with. */
  private static final byte[] FIRST_MAGIC = ascii("LVXRDVZ");

  private static final int MOST_BYTES = 1 << 20;
  private static final SecureRandom RANDOM = new SecureRandom();

  private RendezvousProtocol() {}

  /** What a rank may say at most, in bytes. */
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

  /** What somebody said, for a message: printable, and no more than tells what it is. */
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

  /** A text of unknown origin, for a message or the log. */
  static String harmless(String text) {
    String line = text.replaceAll("\\p{C}", "?");
    return line.length() > 1000 ? line.substring(0, 1000) + "..." : line;
  }

  static String seconds(Duration duration) {
    String text = String.format(java.util.Locale.ROOT, "%.1f", GroupOptions.seconds(duration));
    return (text.endsWith(".0") ? text.substring(0, text.length() - 2) : text) + " s";
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
