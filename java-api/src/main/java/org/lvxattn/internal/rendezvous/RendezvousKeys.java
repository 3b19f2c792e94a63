// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.rendezvous;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * The MACs of one connection of a rendezvous: HMAC-SHA-256 with a key derived from the secret and
 * both greetings, including their nonces. Each MAC covers the sending side, the number of frames
 * that it sent before, and the frame. So without the secret nobody can replay, reflect, drop or
 * insert frames. Without a secret the key is public, and the MACs only detect corruption.
 */
final class RendezvousKeys {
  static final int MAC_BYTES = 32;

  private static final String ALGORITHM = "HmacSHA256";
  private static final byte[] KNOWN_TO_ALL = "lvxattn, no secret".getBytes(StandardCharsets.UTF_8);

  private final Mac mac;
  private final byte own;
  private final byte others;
  private long sent;
  private long received;

  RendezvousKeys(
      @Nullable String secret, byte[] rankGreeting, byte[] serverGreeting, boolean server) {
    byte[] key = secret == null ? KNOWN_TO_ALL : secret.getBytes(StandardCharsets.UTF_8);
    Mac derive = mac(key);
    derive.update("lvxattn rendezvous".getBytes(StandardCharsets.UTF_8));
    derive.update(rankGreeting);
    derive.update(serverGreeting);
    mac = mac(derive.doFinal());
    own = (byte) (server ? 'S' : 'R');
    others = (byte) (server ? 'R' : 'S');
  }

  /** The MAC of the next frame that this side sends. */
  synchronized byte[] ofSent(byte type, byte[] body) {
    return of(own, sent++, type, body);
  }

  /** Whether the MAC of the next received frame is the peer's. */
  synchronized boolean isAuthentic(byte type, byte[] body, byte[] claimed) {
    return MessageDigest.isEqual(of(others, received++, type, body), claimed);
  }

  private byte[] of(byte speaker, long number, byte type, byte[] body) {
    mac.update(
        ByteBuffer.allocate(14).put(speaker).putLong(number).put(type).putInt(body.length).array());
    return mac.doFinal(body);
  }

  private static Mac mac(byte[] key) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(new SecretKeySpec(key, ALGORITHM));
      return mac;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM has no " + ALGORITHM + ", which is required", e);
    }
  }
}
