// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * The MACs of one connection of a rendezvous: HMAC-SHA-256 by a key made of the secret and of both
 * greetings, with their nonces. Each binds who speaks, how many frames that side has sent, and the
 * frame; so nothing can be replayed, reflected, left out or put in by those who do not know the
 * secret. Without a secret everybody knows the key: it only finds damage then.
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

  /** Of the next frame that this side sends. */
  synchronized byte[] ofSent(byte type, byte[] body) {
    return of(own, sent++, type, body);
  }

  /** Whether the next frame that has come is the other side's. */
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
      throw new IllegalStateException("this JVM has no " + ALGORITHM + ", as every one must", e);
    }
  }
}
