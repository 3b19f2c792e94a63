// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/** Digests of results, to compare two builds bit by bit. */
final class Digests {
  private final Map<String, String> digests = new LinkedHashMap<>();

  /**
   * Adds a tensor's SHA-256 over its elements as little-endian float64, which holds every element
   * of the narrower dtypes.
   */
  void put(String way, String tensor, double[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * Double.BYTES);
    bytes.order(ByteOrder.LITTLE_ENDIAN).asDoubleBuffer().put(values);
    digests.put(way + "." + tensor, HexFormat.of().formatHex(sha256().digest(bytes.array())));
  }

  Map<String, String> all() {
    return digests;
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
