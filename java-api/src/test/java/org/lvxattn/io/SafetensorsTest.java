// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsTest {
  private static final String EIGHT = "1,1,1,1,1,1,1,1,";
  private static final String ONES =
      EIGHT + EIGHT + EIGHT + EIGHT + EIGHT + EIGHT + EIGHT + EIGHT + "1";

  @TempDir private Path folder;

  private Path write(byte[] content) throws IOException {
    return Files.write(folder.resolve("file.safetensors"), content);
  }

  private Path write(String header, int dataBytes) throws IOException {
    return write(SafetensorsFiles.file(header, dataBytes));
  }

  @Test
  void readsTensorsAndMetadata() throws IOException {
    String header =
        "{\"__metadata__\":{\"sp\\u00e9c\":\"{\\\"a\\\": 1}\"},"
            + "\"b\":{\"shape\":[2,3],\"dtype\":\"U8\",\"data_offsets\":[4,10]},"
            + "\"none\":{\"dtype\":\"F64\",\"shape\":[0,7],\"data_offsets\":[4,4]},"
            + "\"a\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]} }  ";
    try (Safetensors file = Safetensors.open(write(header, 10))) {
      assertThat(file.metadata()).containsExactly(Map.entry("spéc", "{\"a\": 1}"));
      assertThat(file.tensors().keySet()).containsExactly("b", "none", "a");
      StoredTensor b = file.tensor("b");
      assertThat(b.shape()).containsExactly(2, 3);
      assertThat(b.elements()).isEqualTo(6);
      assertThat(b.data().toArray(ValueLayout.JAVA_BYTE)).containsExactly(4, 5, 6, 7, 8, 9);
      assertThat(b.data().isReadOnly()).isTrue();
      assertThat(file.tensor("none").elements()).isZero();
      assertThat(file.tensor("a").shape()).isEmpty();
      assertThat(file.tensor("a").elements()).isEqualTo(1);
      assertThatThrownBy(() -> file.tensor("c"))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("no tensor \"c\"");
    }
  }

  @Test
  void viewsEndWithTheFile() throws IOException {
    Safetensors file =
        Safetensors.open(
            write("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4));
    MemorySegment data = file.tensor("a").data();
    file.close();
    file.close();
    assertThatThrownBy(() -> data.get(ValueLayout.JAVA_BYTE, 0))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void readsBeyondTwoGibibytes() throws IOException {
    long bytes = (2L << 30) + 5000;
    String header =
        "{\"big\":{\"dtype\":\"U8\",\"shape\":["
            + bytes
            + "],\"data_offsets\":[0,"
            + bytes
            + "]},\"last\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":["
            + bytes
            + ","
            + (bytes + 1)
            + "]}}";
    Path path = write(header, 0);
    try (RandomAccessFile sparse = new RandomAccessFile(path.toFile(), "rw")) {
      sparse.seek(sparse.length() + bytes);
      sparse.write(42);
    }
    try (Safetensors file = Safetensors.open(path)) {
      assertThat(file.tensor("big").elements()).isEqualTo(bytes);
      assertThat(file.tensor("big").data().get(ValueLayout.JAVA_BYTE, bytes - 1)).isZero();
      assertThat(file.tensor("last").data().get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 42);
    }
  }

  @Test
  void aMissingFileIsNotAMalformedOne() {
    assertThatThrownBy(() -> Safetensors.open(folder.resolve("absent")))
        .isInstanceOf(NoSuchFileException.class);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7})
  void refusesFilesWithoutAHeaderLength(int bytes) throws IOException {
    Path path = write(new byte[bytes]);
    assertThatThrownBy(() -> Safetensors.open(path))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageContaining(path.toString())
        .hasMessageContaining("expected 8 bytes");
  }

  @ParameterizedTest
  @CsvSource({
    "100000001, announced",
    "9223372036854775807, announced",
    "-1, 18446744073709551615",
    "3, ends inside its header",
    "0, begin with"
  })
  void refusesHeaderLengths(long length, String message) throws IOException {
    byte[] content =
        ByteBuffer.allocate(10)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(length)
            .putShort((short) 1)
            .array();
    Path path = write(content);
    assertThatThrownBy(() -> Safetensors.open(path))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageContaining(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]}}|5|1 bytes follow",
        "{'a':{'dtype':'U8','shape':[5],'data_offsets':[0,5]}}|4|ends outside the data",
        "{'a':{'dtype':'U8','shape':[3],'data_offsets':[1,4]}}|4|leaves a gap",
        "{'a':{'dtype':'U8','shape':[3],'data_offsets':[0,3]},"
            + "'b':{'dtype':'U8','shape':[3],'data_offsets':[2,5]}}|5|overlaps",
        "{'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]},"
            + "'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]}}|4|second tensor named",
        "{'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]},"
            + "'\\u0061':{'dtype':'U8','shape':[4],'data_offsets':[0,4]}}|4|second tensor named",
        "{'a':{'dtype':'F32','shape':[4],'data_offsets':[0,4]}}|4|expected 16",
        "{'a':{'dtype':'F32','shape':[4],'data_offsets':[4,0]}}|4|an end not before it",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4,8]}}|4|an end not before it",
        "{'a':{'dtype':'f32','shape':[1],'data_offsets':[0,4]}}|4|expected one of [BOOL",
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4],'x':1}}|4|has a member \"x\"",
        "{'a':{'dtype':'F32','shape':[1],'shape':[1],'data_offsets':[0,4]}}|4|a second member",
        "{'a':{'dtype':'F32','shape':[1]}}|4|lacks one of",
        "{'a':{'dtype':'F32','shape':[-1],'data_offsets':[0,4]}}|4|non-negative integer",
        "{'a':{'dtype':'F32','shape':[1.0],'data_offsets':[0,4]}}|4|expected ',' or ']'",
        "{'a':{'dtype':'F32','shape':[01],'data_offsets':[0,4]}}|4|leading zeros",
        "{'a':{'dtype':'F32','shape':[4294967296,4294967296],'data_offsets':[0,0]}}|0|2^63",
        "{'a':{'dtype':'F4','shape':[8],'data_offsets':[0,4]}}|4|expected one of [BOOL",
        "{'a':{'dtype':'U8','shape':[" + ONES + "],'data_offsets':[0,1]}}|1|more than 64",
        "{'a':{'dtype':'F32','shape':[9223372036854775808],'data_offsets':[0,0]}}|0|below 2^63",
        "{'a':[[[[[[[[[[]]]]]]]]]]}|0|expected '{'",
        "{'__metadata__':{'a':{}}}|0|expected '\"'",
        "{'__metadata__':{'a':'b','a':'c'}}|0|second metadata key",
        "{'__metadata__':{},'__metadata__':{}}|0|a second \"__metadata__\"",
        "{'a|0|ends inside a string",
        "{} {}|0|expected the text to end",
        "{'\\x':{}}|0|unknown escape",
        "{'\\ud800':{'dtype':'F32','shape':[0],'data_offsets':[0,0]}}|0|surrogate",
      })
  void refusesHeaders(String header, int dataBytes, String message) throws IOException {
    Path path = write(header.replace('\'', '"'), dataBytes);
    assertThatThrownBy(() -> Safetensors.open(path))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageContaining(path + ", byte ")
        .hasMessageContaining(message);
  }

  @Test
  void refusesTextThatIsNotUtf8() throws IOException {
    byte[] content = SafetensorsFiles.file("{\"__metadata__\":{\"a\":\"b\"}}", 0);
    content[8 + 22] = (byte) 0xff;
    Path path = write(content);
    assertThatThrownBy(() -> Safetensors.open(path)).hasMessageContaining("UTF-8");
  }

  @Test
  void refusesSpaceBeforeTheHeader() throws IOException {
    Path path = write(" {}", 0);
    assertThatThrownBy(() -> Safetensors.open(path)).hasMessageContaining("begin with '{'");
  }

  @Test
  void deepNestingIsRefusedNotFollowed() throws IOException {
    Path path = write("{\"a\":" + "[".repeat(2_000_000), 0);
    assertThatThrownBy(() -> Safetensors.open(path))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageContaining("byte 13");
  }

  @Test
  void readsTheGoldenFiles() throws IOException {
    List<Path> goldens = SafetensorsFiles.goldens();
    assumeFalse(goldens.isEmpty(), "no golden files at hand");
    for (Path golden : goldens) {
      try (Safetensors file = Safetensors.open(golden)) {
        long bytes = file.tensors().values().stream().mapToLong(t -> t.data().byteSize()).sum();
        assertThat(bytes).isLessThan(Files.size(golden));
        String name = golden.getFileName().toString().replace(".safetensors", "");
        assertThat(file.metadata().get("spec")).contains("\"case\": \"" + name + "\"");
        if (name.startsWith("plain_")) {
          StoredTensor q = file.tensor("q");
          assertThat(q.type()).isEqualTo(StoredType.F32);
          assertThat(q.shape()).hasSize(4);
        }
      }
    }
  }

  @Test
  void offsetsInMessagesCountFromTheStartOfTheFile() throws IOException {
    Path path = write(SafetensorsFiles.file("{\"a\":x}", 0));
    assertThatThrownBy(() -> Safetensors.open(path))
        .isInstanceOfSatisfying(
            SafetensorsException.class, e -> assertThat(e.offset()).isEqualTo(8 + 5));
    assertThat(Files.readString(path, StandardCharsets.ISO_8859_1).charAt(13)).isEqualTo('x');
  }
}
