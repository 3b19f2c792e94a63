// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.lvxattn.group.Group;

/**
 * Exchanges messages of any length between processes, in parts, separately from the computation.
 */
public final class GroupExchange {
  private static final int PART = 1 << 16;

  private GroupExchange() {}

  /** Every rank's message, in rank order. */
  public static List<byte[]> allGather(Group group, byte[] mine) {
    List<byte[]> told =
        group.allGather(ByteBuffer.allocate(Long.BYTES).putLong(mine.length).array());
    long[] lengths = told.stream().mapToLong(bytes -> ByteBuffer.wrap(bytes).getLong()).toArray();
    long longest = Arrays.stream(lengths).max().orElseThrow();
    List<ByteArrayOutputStream> all = new ArrayList<>();
    for (int rank = 0; rank < group.size(); rank++) {
      all.add(new ByteArrayOutputStream());
    }
    for (int begin = 0; begin < longest; begin += PART) {
      byte[] part = new byte[PART];
      int own = Math.clamp(mine.length - begin, 0, PART);
      System.arraycopy(mine, Math.min(begin, mine.length), part, 0, own);
      List<byte[]> parts = group.allGather(part);
      for (int rank = 0; rank < group.size(); rank++) {
        int rest = Math.clamp(lengths[rank] - begin, 0, PART);
        all.get(rank).write(parts.get(rank), 0, rest);
      }
    }
    return all.stream().map(ByteArrayOutputStream::toByteArray).toList();
  }
}
