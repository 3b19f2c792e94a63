// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.lvxattn.group.Group;
import org.lvxattn.group.RankTask;
import org.lvxattn.oracle.GroupExchange;
import org.lvxattn.oracle.Results;

/**
 * One process of a group. Ranks tell each other how a task ended, including failures, so that all
 * continue with the same case.
 */
final class ProcessRanks implements Ranks {
  private final Group group;

  ProcessRanks(Group group) {
    this.group = group;
  }

  @Override
  public int size() {
    return group.size();
  }

  @Override
  public void agree(String next) {
    List<byte[]> told = GroupExchange.allGather(group, next.getBytes(StandardCharsets.UTF_8));
    String first = new String(told.getFirst(), StandardCharsets.UTF_8);
    for (int rank = 1; rank < told.size(); rank++) {
      String other = new String(told.get(rank), StandardCharsets.UTF_8);
      if (!other.equals(first)) {
        throw new IllegalStateException(
            "rank " + rank + " is about to do " + other + ", expected as rank 0: " + first);
      }
    }
  }

  @Override
  public List<Results> run(RankTask<Results> task) {
    Results mine;
    try {
      mine = task.run(group);
    } catch (RuntimeException e) {
      tell(e);
      throw e;
    } catch (Exception e) {
      tell(e);
      throw new IllegalStateException("this rank failed: " + e, e);
    }
    List<byte[]> told = GroupExchange.allGather(group, written(true, mine::write));
    List<Results> all = new ArrayList<>();
    for (int rank = 0; rank < told.size(); rank++) {
      all.add(read(rank, told.get(rank)));
    }
    return all;
  }

  /** Sends this rank's failure, since the other ranks wait for its results. */
  private void tell(Exception failure) {
    String text = failure.getClass().getSimpleName() + ": " + failure.getMessage();
    try {
      GroupExchange.allGather(group, written(false, out -> out.writeUTF(text)));
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }

  /** Something that writes. */
  private interface Body {
    void write(DataOutputStream out) throws IOException;
  }

  private static byte[] written(boolean succeeded, Body body) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      out.writeBoolean(succeeded);
      body.write(out);
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory", e);
    }
    return bytes.toByteArray();
  }

  private static Results read(int rank, byte[] bytes) {
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
      if (!in.readBoolean()) {
        throw new IllegalStateException("rank " + rank + ": " + in.readUTF());
      }
      return Results.read(in);
    } catch (IOException e) {
      throw new UncheckedIOException("rank " + rank + " told of its results in another way", e);
    }
  }
}
