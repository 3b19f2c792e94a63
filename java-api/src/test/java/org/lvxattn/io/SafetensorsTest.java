// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;

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

  @ParameterizedTest
  @CsvSource({
    "Q7, UNKNOWN, 5",
    "f32, UNKNOWN, 4",
    "F4, F4, 2",
    "F6_E2M3, F6_E2M3, 3",
    "F6_E3M2, F6_E3M2, 3",
    "F8_E8M0, F8_E8M0, 4",
    "UNKNOWN, UNKNOWN, 0"
  })
  void aTypeThatIsNotServedCostsItsTensorAlone(String name, StoredType type, int bytes)
      throws IOException {
    String header =
        "{\"x\":{\"dtype\":\"%s\",\"shape\":[2,2],\"data_offsets\":[0,%d]},".formatted(name, bytes)
            + "\"y\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]}}"
                .formatted(bytes, bytes + 4);
    Path path = write(header, bytes + 4);
    try (Device device = Device.cpu(CpuOptions.builder().threads(1).build());
        Safetensors file = Safetensors.open(path);
        Tensor target = Tensor.allocate(device, DType.FLOAT32, 2, 2);
        Tensor other = file.tensor("y").load(device, DType.FLOAT32)) {
      assertThat(file.tensors().keySet()).containsExactly("x", "y");
      assertThat(other.elements()).isEqualTo(1);
      StoredTensor x = file.tensor("x");
      assertThat(x.type()).isEqualTo(type);
      assertThat(x.typeName()).isEqualTo(name);
      assertThat(x.shape()).containsExactly(2, 2);
      assertThat(x.elements()).isEqualTo(4);
      assertThat(x).hasToString("x " + name + "[2, 2]");
      String message = "tensor \"x\" is of dtype " + name + ";";
      assertThatIllegalArgumentException()
          .isThrownBy(() -> x.load(device, DType.FLOAT32))
          .withMessageContaining(message);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> x.wrap(device))
          .withMessageContaining(message);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> x.copyTo(target))
          .withMessageContaining(message);
      if (type == StoredType.UNKNOWN) {
        assertThatIllegalArgumentException().isThrownBy(x::data).withMessageContaining(message);
        assertThatIllegalArgumentException().isThrownBy(type::bytes);
      } else {
        assertThat(x.data().byteSize()).isEqualTo(bytes);
      }
    }
  }

  @Test
  void metadataMayBeNull() throws IOException {
    String header =
        "{\"__metadata__\": null ,\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";
    try (Safetensors file = Safetensors.open(write(header, 4))) {
      assertThat(file.metadata()).isEmpty();
      assertThat(file.tensors().keySet()).containsExactly("a");
    }
  }

  @Test
  void aMissingTensorIsToldItsNearestNames() throws IOException {
    StringBuilder header = new StringBuilder("{");
    for (int layer = 0; layer < 3000; layer++) {
      header
          .append(layer == 0 ? "" : ",")
          .append("\"model.layers.%d.self_attn.k_proj.weight\":".formatted(layer))
          .append("{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
    }
    try (Safetensors file = Safetensors.open(write(header.append('}').toString(), 0))) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> file.tensor("layers.7.self_attn.k_proj.weight"))
          .withMessageContaining("it holds 3000 tensors; the nearest are")
          .withMessageContaining("nearest are \"model.layers.7.self_attn.k_proj.weight\"")
          .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(600));
      assertThatIllegalArgumentException()
          .isThrownBy(() -> file.tensor("model.layers.12.self_attn.kproj.weight"))
          .withMessageContaining("nearest are \"model.layers.12.self_attn.k_proj.weight\"");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> file.tensor("Model.Layers.9.self_attn.k_proj.weight"))
          .withMessageContaining("nearest are \"model.layers.9.self_attn.k_proj.weight\"");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> file.tensor("vision.patch_embedding"))
          .withMessageContaining("none of a similar name; the first are \"model.layers.0.")
          .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(600));
      assertThatIllegalArgumentException().isThrownBy(() -> file.tensor("x".repeat(100_000)));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "version https://git-lfs.github.com/spec/v1\\noid sha256:00\\nsize 4912\\n"
            + "|Git LFS pointer, not the file that it stands for (4912 bytes): \"git lfs pull\"",
        "<!DOCTYPE html><html>|a web page",
        "\\n <HTML lang=en>|a web page",
        "<?xml version='1.0'?>|an XML text",
        "PK\\x03\\x04\\x00\\x00\\x08\\x08\\x00\\x00|torch.save",
        "PK\\x03\\x04\\x00\\x00\\x00\\x00\\x00\\x00|torch.save",
        "\\x80\\x02\\x8a\\x0alooong|a Python pickle",
        "GGUF\\x03\\x00\\x00\\x00\\x01|a GGUF file",
        "\\x1f\\x8b\\x08\\x00\\x00\\x00\\x00\\x00\\x00|gzip",
        "{\"weight_map\": {}}|ShardedSafetensors",
      })
  void aFileOfAnotherKindIsNamed(String text, String message) throws IOException {
    byte[] content = unescape(text);
    Path path = write(content);
    assertThatThrownBy(() -> Safetensors.open(path))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageStartingWith(path + ", byte 0: this seems to be ")
        .hasMessageContaining(message);
    if (content[0] != '{') {
      Path index = Files.write(folder.resolve("model.safetensors.index.json"), content);
      assertThatThrownBy(() -> StoredTensors.open(index))
          .isInstanceOf(SafetensorsException.class)
          .hasMessageStartingWith(index + ", byte 0: this seems to be ")
          .hasMessageContaining(message);
    }
  }

  private static byte[] unescape(String text) {
    return Pattern.compile("\\\\(x[0-9a-f]{2}|n)")
        .matcher(text)
        .replaceAll(
            m ->
                m.group(1).equals("n")
                    ? "\n"
                    : String.valueOf((char) Integer.parseInt(m.group(1).substring(1), 16)))
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  @Test
  void aFolderIsNamedWithWhatIsInIt() throws IOException {
    assertThatThrownBy(() -> Safetensors.open(folder))
        .isInstanceOf(FileSystemException.class)
        .hasMessageContaining("a folder, expected a file")
        .hasMessageContaining("holds no *.safetensors");
    write("{}", 0);
    for (int i = 0; i < 9; i++) {
      Files.createFile(folder.resolve("model-%d.safetensors".formatted(i)));
    }
    assertThatThrownBy(() -> Safetensors.open(folder))
        .hasMessageContaining("it holds file.safetensors, model-0.safetensors")
        .hasMessageEndingWith(", ...");
    assertThatThrownBy(() -> StoredTensors.open(folder))
        .isInstanceOf(NoSuchFileException.class)
        .hasMessageContaining("it holds file.safetensors, model-0.safetensors");
    Path index = Files.createDirectory(folder.resolve("x.json"));
    assertThatThrownBy(() -> ShardedSafetensors.open(index)).hasMessageContaining("a folder");
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
        "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4],'x':1}}|4|has a member \"x\"",
        "{'a':{'dtype':'F32','shape':[1],'shape':[1],'data_offsets':[0,4]}}|4|a second member",
        "{'a':{'dtype':'F32','shape':[1]}}|4|lacks one of",
        "{'a':{'dtype':'F32','shape':[-1],'data_offsets':[0,4]}}|4|non-negative integer",
        "{'a':{'dtype':'F32','shape':[1.0],'data_offsets':[0,4]}}|4|expected ',' or ']'",
        "{'a':{'dtype':'F32','shape':[01],'data_offsets':[0,4]}}|4|leading zeros",
        "{'a':{'dtype':'F32','shape':[4294967296,4294967296],'data_offsets':[0,0]}}|0|2^63",
        "{'a':{'dtype':'F4','shape':[8],'data_offsets':[0,3]}}|3|expected 4",
        "{'a':{'dtype':'F4','shape':[7],'data_offsets':[0,4]}}|4|fill whole bytes",
        "{'a':{'dtype':'F6_E2M3','shape':[4],'data_offsets':[0,4]}}|4|expected 3",
        "{'a':{'dtype':'F6_E3M2','shape':[2],'data_offsets':[0,1]}}|1|fill whole bytes",
        "{'a':{'dtype':'Q7','shape':[4],'data_offsets':[0,5]}}|4|ends outside the data",
        "{'a':{'dtype':'Q7','shape':[4],'data_offsets':[0,3]}}|4|1 bytes follow",
        "{'a':{'dtype':'Q7','shape':[4],'data_offsets':[1,4]}}|4|leaves a gap",
        "{'a':{'dtype':'Q7','shape':[4],'data_offsets':[3,1]}}|4|an end not before it",
        "{'a':{'dtype':'Q7','shape':[4294967296,4294967296],'data_offsets':[0,0]}}|0|2^63",
        "{'a':{'dtype':'Q7','shape':[3],'data_offsets':[0,3]},"
            + "'b':{'dtype':'U8','shape':[3],'data_offsets':[2,5]}}|5|overlaps",
        "{'__metadata__':nul}|0|expected '{'",
        "{'__metadata__':null,'__metadata__':{}}|0|a second \"__metadata__\"",
        "{'__metadata__':{'a':null}}|0|expected '\"'",
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
