// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.CpuOptions;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;

class SafetensorsWriterTest {
  @TempDir private Path folder;
  private Path path;
  private Device device;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
    path = folder.resolve("file.safetensors");
  }

  @AfterEach
  void close() {
    device.close();
  }

  /** 1, 2, 3, ... */
  private Tensor counting(DType dtype, long... shape) {
    Tensor tensor = Tensor.allocate(device, dtype, shape);
    int count = (int) tensor.elements();
    if (dtype == DType.INT32) {
      int[] values = new int[count];
      Arrays.setAll(values, i -> i + 1);
      return tensor.copyFrom(values);
    }
    return tensor.copyFrom(DoubleStream.iterate(1, x -> x + 1).limit(count).toArray());
  }

  /**
   * The bytes that the Python package safetensors 0.8.0 writes for the same tensors and metadata.
   */
  @Test
  void writesTheBytesOfTheFormatsOwnImplementation() throws IOException {
    String header =
        "{\"__metadata__\":{\"a\":\"x\\u0001\\\"\\\\/\u007f\",\"format\":\"pt\"},\"z\":{\"dtype\":\"F64\",\"shape\":[3],\"data_offsets\":[0,24]},\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[24,48]},\"a\u00e9\\n"
            + "\ud83d\ude00\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[48,52]},"
            + "\"a\uffee\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[52,60]},"
            + "\"half\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[60,64]},\"m\":{\"dtype\":\"F16\",\"shape\":[0,2],\"data_offsets\":[64,64]}}"
            + "  ";
    String data =
        "000000000000f83f00000000000000c00000000000000840000000000000803f0000004000004040"
            + "000080400000a04007000000ffffffffffffffff003c00b8";
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("m", Tensor.allocate(device, DType.FLOAT16, 0, 2));
    tensors.put("half", Tensor.allocate(device, DType.FLOAT16, 2).copyFrom(new double[] {1, -.5}));
    tensors.put("a\uffee", Tensor.allocate(device, DType.INT32, 2).copyFrom(new int[] {-1, -1}));
    tensors.put(
        "a\u00e9\n\ud83d\ude00", Tensor.allocate(device, DType.INT32).copyFrom(new int[] {7}));
    tensors.put(
        "b", Tensor.allocate(device, DType.FLOAT32, 2, 3).copyFrom(new float[] {0, 1, 2, 3, 4, 5}));
    tensors.put("z", Tensor.allocate(device, DType.FLOAT64, 3).copyFrom(new double[] {1.5, -2, 3}));
    SafetensorsWriter.write(path, Map.of("format", "pt", "a", "x\u0001\"\\/\u007f"), tensors);
    tensors.values().forEach(Tensor::close);

    byte[] content = Files.readAllBytes(path);
    assertThat(Arrays.copyOf(content, 8)).containsExactly(0x90, 1, 0, 0, 0, 0, 0, 0);
    assertThat(new String(content, 8, 400, StandardCharsets.UTF_8)).isEqualTo(header);
    assertThat(HexFormat.of().formatHex(content, 408, content.length)).isEqualTo(data);
  }

  @ParameterizedTest
  @EnumSource
  void givesBackEveryDtype(DType dtype) throws IOException {
    try (Tensor tensor = counting(dtype, 3, 5, 7)) {
      SafetensorsWriter.write(path, Map.of(), Map.of("t", tensor));
      try (Safetensors file = Safetensors.open(path)) {
        StoredTensor stored = file.tensor("t");
        assertThat(stored.type()).isEqualTo(StoredType.of(dtype));
        assertThat(stored.type().dtype()).contains(dtype);
        assertThat(stored.shape()).containsExactly(3, 5, 7);
        assertThat(stored.data().mismatch(tensor.segment())).isEqualTo(-1);
      }
    }
  }

  @Test
  void writesViewsInLogicalOrder() throws IOException {
    try (Tensor tensor = counting(DType.FLOAT32, 4, 5, 6)) {
      Map<String, Tensor> views =
          Map.of(
              "middle", tensor.slice(1, 1, 4),
              "columns", tensor.slice(2, 2, 5),
              "turned", tensor.permute(2, 0, 1),
              "none", tensor.slice(0, 2, 2),
              "one", tensor.slice(0, 3, 4).slice(1, 4, 5).slice(2, 5, 6));
      SafetensorsWriter.write(path, Map.of(), views);
      try (Safetensors file = Safetensors.open(path)) {
        for (Map.Entry<String, Tensor> view : views.entrySet()) {
          try (Tensor read = file.tensor(view.getKey()).wrap(device)) {
            assertThat(read.shape()).isEqualTo(view.getValue().shape());
            assertThat(read.toFloats()).as(view.getKey()).isEqualTo(view.getValue().toFloats());
          }
        }
      }
    }
  }

  @Test
  void writesStridedTensorsLargerThanItsPieces() throws IOException {
    try (Tensor tensor = counting(DType.FLOAT32, 3, 700, 800)) {
      Map<String, Tensor> views =
          Map.of(
              "short runs", tensor.slice(2, 1, 800),
              "long runs", tensor.slice(1, 1, 700),
              "single elements", tensor.permute(2, 1, 0));
      SafetensorsWriter.write(path, Map.of(), views);
      try (Safetensors file = Safetensors.open(path)) {
        for (Map.Entry<String, Tensor> view : views.entrySet()) {
          try (Tensor read = file.tensor(view.getKey()).wrap(device)) {
            assertThat(Arrays.equals(read.toFloats(), view.getValue().toFloats()))
                .as(view.getKey())
                .isTrue();
          }
        }
      }
    }
  }

  @Test
  void writesInAnyOrderAndTheSameBytes() throws IOException {
    Path other = folder.resolve("other");
    try (Tensor a = counting(DType.FLOAT32, 10);
        Tensor b = counting(DType.FLOAT64, 3);
        SafetensorsWriter writer =
            SafetensorsWriter.builder()
                .tensor("b", StoredType.F64, 3)
                .metadata("y", "1")
                .metadata("x", "2")
                .tensor("a", StoredType.F32, 10)
                .open(other)) {
      SafetensorsWriter.write(path, Map.of("x", "2", "y", "1"), Map.of("a", a, "b", b));
      writer.write("a", a);
      writer.write("b", b.segment());
      writer.commit();
      assertThat(Files.mismatch(path, other)).isEqualTo(-1);
    }
  }

  @Test
  void nothingIsSeenBeforeCommit() throws IOException {
    Files.writeString(path, "old");
    try (Tensor tensor = counting(DType.FLOAT32, 10);
        SafetensorsWriter writer =
            SafetensorsWriter.builder().tensor("a", StoredType.F32, 10).open(path)) {
      assertThatIllegalStateException()
          .isThrownBy(writer::commit)
          .withMessageContaining("not written yet: [a]");
      writer.write("a", tensor);
      assertThat(path).hasContent("old");
    }
    assertThat(path).hasContent("old");
    try (Stream<Path> left = Files.list(folder)) {
      assertThat(left).containsExactly(path);
    }
  }

  @Test
  void replacesAFileThatIsOpen() throws IOException {
    try (Tensor first = counting(DType.FLOAT32, 1000);
        Tensor second = counting(DType.FLOAT64, 1)) {
      SafetensorsWriter.write(path, Map.of(), Map.of("a", first));
      try (Safetensors file = Safetensors.open(path);
          Tensor mapped = file.tensor("a").wrap(device)) {
        SafetensorsWriter.write(path, Map.of(), Map.of("a", second));
        assertThat(mapped.toFloats()).isEqualTo(first.toFloats());
      }
      try (Safetensors file = Safetensors.open(path)) {
        assertThat(file.tensor("a").type()).isEqualTo(StoredType.F64);
      }
    }
  }

  private void writeOne() throws IOException {
    try (Tensor tensor = counting(DType.FLOAT32, 10)) {
      SafetensorsWriter.write(path, Map.of(), Map.of("a", tensor));
    }
  }

  private static void assertHoldsOne(Path file) throws IOException {
    try (Safetensors read = Safetensors.open(file)) {
      assertThat(read.tensor("a").elements()).isEqualTo(10);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"rw-------", "rw-rw-r--", "r--r-----", "rwxrwxrwx"})
  void aFileThatIsReplacedKeepsItsMode(String mode) throws IOException {
    Files.writeString(path, "old");
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(mode));
    writeOne();
    assertHoldsOne(path);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path))).isEqualTo(mode);
  }

  @Test
  void aNewFileHasTheModeOfNewFiles() throws IOException {
    Path other = Files.createFile(folder.resolve("other"));
    writeOne();
    assertThat(Files.getPosixFilePermissions(path)).isEqualTo(Files.getPosixFilePermissions(other));
  }

  @Test
  void anUnfinishedCopyIsNoMoreReadableThanTheFile() throws IOException {
    Files.writeString(path, "old");
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
    SafetensorsWriter.Builder builder = SafetensorsWriter.builder().tensor("a", StoredType.F32, 1);
    try (SafetensorsWriter writer = builder.open(path);
        Stream<Path> all = Files.list(folder)) {
      assertThat(writer).isNotNull();
      assertThat(all.map(SafetensorsWriterTest::mode)).containsExactly("rw-------", "rw-------");
    }
    assertThat(path).hasContent("old");
  }

  private static String mode(Path file) {
    try {
      return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void linksAreFollowed() throws IOException {
    Path elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
    Path target = Files.writeString(elsewhere.resolve("target"), "old");
    Path link = folder.resolve("link");
    Files.createSymbolicLink(link, Path.of("elsewhere", "target")); // relative to the link's folder
    Files.createSymbolicLink(path, link);
    writeOne();
    assertThat(path).isSymbolicLink();
    assertThat(link).isSymbolicLink();
    assertHoldsOne(target);
    try (Stream<Path> all = Files.list(elsewhere)) {
      assertThat(all).containsExactly(target);
    }
  }

  @Test
  void aLinkThatLeadsNowhereYetGetsItsFile() throws IOException {
    Files.createSymbolicLink(path, Path.of("later"));
    writeOne();
    assertThat(path).isSymbolicLink();
    assertHoldsOne(folder.resolve("later"));
  }

  @Test
  void linksInARingAndFoldersAreRefused() throws IOException {
    Files.createSymbolicLink(path, path);
    assertThatThrownBy(this::writeOne).isInstanceOf(FileSystemLoopException.class);
    Files.delete(path);
    Files.createDirectory(path);
    assertThatThrownBy(this::writeOne)
        .isInstanceOf(FileSystemException.class)
        .hasMessageContaining("a folder, expected a file");
    assertThat(path).isEmptyDirectory();
  }

  @ParameterizedTest
  @ValueSource(ints = {230, 255})
  void namesMayBeAsLongAsTheFileSystemAllows(int bytes) throws IOException {
    path = folder.resolve("n".repeat(bytes - ".safetensors".length()) + ".safetensors");
    writeOne();
    writeOne();
    assertHoldsOne(path);
    path = folder.resolve("\u00e4".repeat(bytes / 2));
    writeOne();
    assertHoldsOne(path);
  }

  @Test
  void aMessageNamesAFewOfTheTensorsThatAreMissing() throws IOException {
    SafetensorsWriter.Builder builder = SafetensorsWriter.builder();
    for (int i = 0; i < 1000; i++) {
      builder.tensor("t" + i, StoredType.U8);
    }
    try (SafetensorsWriter writer = builder.open(path)) {
      assertThatIllegalStateException()
          .isThrownBy(writer::commit)
          .withMessage("not written yet: [t0, t1, t2, t3, t4] and others, 1000 in all");
    }
  }

  @ParameterizedTest
  @CsvSource({"F8_E4M3, 4", "F4, 2", "F6_E2M3, 3", "F6_E3M2, 3", "C64, 32"})
  void copiesTensorsOfAnyTypeFromFileToFile(String type, int bytes) throws IOException {
    String header =
        "{\"t\":{\"dtype\":\"%s\",\"shape\":[2,2],\"data_offsets\":[0,%d]}}".formatted(type, bytes);
    Path source = Files.write(folder.resolve("source"), SafetensorsFiles.file(header, bytes));
    try (Safetensors file = Safetensors.open(source)) {
      StoredTensor t = file.tensor("t");
      try (SafetensorsWriter writer =
          SafetensorsWriter.builder().tensor("t", t.type(), t.shape()).open(path)) {
        writer.write("t", t.data());
        writer.commit();
      }
    }
    try (Safetensors file = Safetensors.open(path)) {
      assertThat(file.tensor("t").typeName()).isEqualTo(type);
      byte[] data = file.tensor("t").data().toArray(ValueLayout.JAVA_BYTE);
      assertThat(data).hasSize(bytes);
      for (int i = 0; i < bytes; i++) {
        assertThat(data[i]).isEqualTo((byte) i);
      }
    }
  }

  @Test
  void refusesWhatCannotBeAnnounced() {
    SafetensorsWriter.Builder builder =
        SafetensorsWriter.builder().tensor("a", StoredType.F32, 1).metadata("k", "v");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> builder.tensor("a", StoredType.F32, 1))
        .withMessageContaining("second tensor named \"a\"");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> builder.metadata("k", "w"))
        .withMessageContaining("second metadata key \"k\"");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> builder.tensor("__metadata__", StoredType.F32))
        .withMessageContaining("__metadata__");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> builder.tensor("\ud800", StoredType.F32))
        .withMessageContaining("surrogate");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> builder.tensor("b", StoredType.F32, 2, -1))
        .withMessageContaining("[2, -1]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> builder.tensor("b", StoredType.F4, 3))
        .withMessageContaining("fill whole bytes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> builder.tensor("b", StoredType.UNKNOWN, 3))
        .withMessageContaining("not known");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> builder.tensor("b", StoredType.F32, 1L << 40, 1L << 40))
        .withMessageContaining("2^63");
    builder.tensor("c", StoredType.U8, Long.MAX_VALUE);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> builder.open(path))
        .withMessageContaining("2^63");
    assertThat(path).doesNotExist();
  }

  @Test
  void refusesWhatWasNotAnnounced() throws IOException {
    try (Tensor tensor = counting(DType.FLOAT32, 2, 3);
        Arena arena = Arena.ofConfined();
        SafetensorsWriter writer =
            SafetensorsWriter.builder()
                .tensor("a", StoredType.F32, 2, 3)
                .tensor("b", StoredType.BF16, 2, 3)
                .tensor("c", StoredType.F32, 3, 2)
                .open(path)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> writer.write("d", tensor))
          .withMessageContaining("\"d\" was not announced");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> writer.write("b", tensor))
          .withMessageContaining("F32[2, 3]; BF16[2, 3] was announced");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> writer.write("c", tensor))
          .withMessageContaining("F32[3, 2] was announced");
      MemorySegment bytes = arena.allocate(23);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> writer.write("a", bytes))
          .withMessageContaining("23 bytes; 24 were announced");
      writer.write("a", tensor);
      assertThatIllegalStateException()
          .isThrownBy(() -> writer.write("a", tensor))
          .withMessageContaining("written already");
    }
    assertThat(path).doesNotExist();
  }

  @Test
  void useAfterCloseIsAnException() throws IOException {
    SafetensorsWriter writer = SafetensorsWriter.builder().tensor("a", StoredType.F32).open(path);
    writer.close();
    writer.close();
    try (Tensor tensor = counting(DType.FLOAT32)) {
      assertThatIllegalStateException().isThrownBy(() -> writer.write("a", tensor));
      assertThatIllegalStateException().isThrownBy(writer::commit);
    }
    assertThat(path).doesNotExist();
  }

  @Test
  void aFolderThatIsNotThereIsAnInputOutputError() {
    assertThatThrownBy(
            () -> SafetensorsWriter.builder().open(folder.resolve("absent").resolve("file")))
        .isInstanceOf(IOException.class);
  }
}
