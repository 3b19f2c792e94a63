// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.testing.Seeds;

/** Damaged files are rejected by a clear exception, or read exactly as their header says. */
class SafetensorsMutationTest {
  private static final int MUTATIONS = 5_000;

  private static final Pattern ENTRY =
      Pattern.compile(
          "\"([a-z]+)\":\\{\"dtype\":\"([A-Z0-9_]+)\",\"shape\":\\[([0-9,]*)\\],"
              + "\"data_offsets\":\\[([0-9]+),([0-9]+)\\]\\}");

  private static final String HEADER =
      "{\"__metadata__\":{\"format\":\"pt\"},"
          + "\"alpha\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
          + "\"beta\":{\"dtype\":\"BF16\",\"shape\":[5],\"data_offsets\":[24,34]},"
          + "\"empty\":{\"dtype\":\"U8\",\"shape\":[0,9],\"data_offsets\":[34,34]},"
          + "\"gamma\":{\"dtype\":\"I64\",\"shape\":[1,1,3],\"data_offsets\":[34,58]}}   ";

  @TempDir private Path folder;

  @Test
  void damagedFilesAreRefusedOrReadAsTheyAre() throws IOException {
    byte[] original = SafetensorsFiles.file(HEADER, 58);
    int refused = 0;
    for (int seed = 0; seed < MUTATIONS; seed++) {
      byte[] damaged = mutate(original, Seeds.random(seed));
      refused += check(damaged, seed) ? 0 : 1;
    }
    // Most damage hits the header's structure; the rest changes a name, padding or the data itself.
    assertThat(refused).isBetween(MUTATIONS / 2, MUTATIONS - 1);
  }

  @Test
  void everyTruncationIsRefused() throws IOException {
    byte[] original = SafetensorsFiles.file(HEADER, 58);
    for (int length = 0; length < original.length; length++) {
      assertThat(check(Arrays.copyOf(original, length), -length)).isFalse();
    }
  }

  /** True if the file opened and all its tensors agree with its header. */
  private boolean check(byte[] content, int seed) throws IOException {
    Path path = Files.write(folder.resolve("damaged"), content);
    try (Safetensors file = Safetensors.open(path)) {
      // The numbers that an independent reader finds, if the text is still well-formed.
      int headerBytes = (int) ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN).getLong();
      int start = Long.BYTES + headerBytes;
      String text = new String(content, Long.BYTES, headerBytes, StandardCharsets.UTF_8);
      Matcher entries = ENTRY.matcher(text);
      while (entries.find()) {
        StoredTensor tensor = file.tensor(entries.group(1));
        assertThat(tensor.typeName()).as("seed %d", seed).isEqualTo(entries.group(2));
        assertThat(tensor.shape()).isEqualTo(numbers(entries.group(3)));
        byte[] expected =
            Arrays.copyOfRange(
                content,
                start + Integer.parseInt(entries.group(4)),
                start + Integer.parseInt(entries.group(5)));
        if (tensor.type() != StoredType.UNKNOWN) {
          assertThat(tensor.data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(expected);
        }
      }
      long covered = 0;
      boolean allKnown = true;
      for (StoredTensor tensor : file.tensors().values()) {
        allKnown &= tensor.type() != StoredType.UNKNOWN;
        if (!allKnown) {
          break;
        }
        long elements = Arrays.stream(tensor.shape()).reduce(1, Math::multiplyExact);
        assertThat(tensor.data().byteSize()).isEqualTo(elements * tensor.type().bits() / 8);
        covered += tensor.data().byteSize();
      }
      if (allKnown) {
        assertThat(covered).as("seed %d", seed).isEqualTo(content.length - start);
      }
      return true;
    } catch (SafetensorsException e) {
      assertThat(e).hasMessageStartingWith(path + ", byte ");
      assertThat(e.offset()).isBetween(0L, (long) content.length);
      return false;
    }
  }

  private static long[] numbers(String list) {
    return Arrays.stream(list.split(","))
        .filter(s -> !s.isEmpty())
        .mapToLong(Long::parseLong)
        .toArray();
  }

  private static byte[] mutate(byte[] original, Random random) {
    byte[] content = original.clone();
    int times = 1 + random.nextInt(3);
    for (int i = 0; i < times; i++) {
      int at = random.nextInt(content.length);
      int other = random.nextInt(content.length);
      int length = Math.min(1 + random.nextInt(16), content.length - Math.max(at, other));
      switch (random.nextInt(7)) {
        case 0 -> content[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> content[at] = (byte) random.nextInt(256);
        case 2 -> content[at] = (byte) "{}[]\":,0123456789 \\u-.e".charAt(random.nextInt(23));
        case 3 ->
            System.arraycopy(
                original,
                Math.min(other, original.length - length),
                content,
                at,
                Math.min(length, content.length - at));
        case 4 -> content = Arrays.copyOf(content, Math.max(1, at));
        case 5 -> content = splice(content, at, 0, content, other, length);
        default -> content = splice(content, at, length, content, 0, 0);
      }
    }
    return content;
  }

  /** Content in which the removed bytes are replaced by a part of source. */
  private static byte[] splice(
      byte[] content, int at, int removed, byte[] source, int from, int inserted) {
    int kept = Math.min(content.length, at + removed);
    byte[] result = new byte[at + inserted + content.length - kept];
    System.arraycopy(content, 0, result, 0, at);
    System.arraycopy(source, from, result, at, inserted);
    System.arraycopy(content, kept, result, at + inserted, content.length - kept);
    return result.length == 0 ? new byte[] {0} : result;
  }
}
