// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lvxattn.CpuOptions;
import org.lvxattn.CrossAttention;
import org.lvxattn.DType;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.group.Group;

class StoredTensorTest {
  private static final String ALIGNED =
      "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
          + "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[25,25]},"
          + "\"i\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[24,25]}}";

  @TempDir private Path folder;
  private Device device;

  @BeforeEach
  void open() {
    device = Device.cpu(CpuOptions.builder().threads(1).build());
  }

  @AfterEach
  void close() {
    device.close();
  }

  /** The header padded so that data begins at a multiple of 8, or one byte later. */
  private Path write(String header, int offset) throws IOException {
    int length = Math.ceilDiv(header.length(), 8) * 8 + offset;
    String padded = header + " ".repeat(length - header.length());
    return Files.write(folder.resolve("file"), SafetensorsFiles.file(padded, 25));
  }

  @Test
  void wrapsTheMappedFileItself() throws IOException {
    try (Safetensors file = Safetensors.open(write(ALIGNED, 0))) {
      StoredTensor w = file.tensor("w");
      assertThat(w.isAligned()).isTrue();
      long before = device.bytesInUse();
      try (Tensor tensor = w.wrap(device)) {
        assertThat(tensor.segment().address()).isEqualTo(w.data().address());
        assertThat(tensor.isReadOnly()).isTrue();
        assertThat(tensor.toFloats()[1]).isEqualTo(Float.intBitsToFloat(0x07060504));
        assertThat(device.bytesInUse()).isEqualTo(before);
      }
      try (Tensor empty = file.tensor("empty").wrap(device)) {
        assertThat(empty.elements()).isZero();
      }
    }
  }

  @Test
  void loadsWhatIsNotAligned() throws IOException {
    try (Safetensors file = Safetensors.open(write(ALIGNED, 1))) {
      StoredTensor w = file.tensor("w");
      assertThat(w.isAligned()).isFalse();
      assertThatIllegalArgumentException()
          .isThrownBy(() -> w.wrap(device))
          .withMessageContaining("not aligned");
      try (Tensor same = w.load(device, DType.FLOAT32);
          Tensor wide = w.load(device, DType.FLOAT64)) {
        assertThat(same.toFloats()[1]).isEqualTo(Float.intBitsToFloat(0x07060504));
        assertThat(wide.toFloats()).isEqualTo(same.toFloats());
      }
      try (Tensor empty = file.tensor("empty").load(device, DType.BFLOAT16)) {
        assertThat(empty.shape()).containsExactly(0, 3);
      }
    }
  }

  @Test
  void convertsAsTensorsDo() throws IOException {
    String header =
        "{\"w\":{\"dtype\":\"F64\",\"shape\":[3],\"data_offsets\":[0,24]},"
            + "\"i\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[24,25]}}";
    try (Safetensors file = Safetensors.open(write(header, 0));
        Tensor exact = file.tensor("w").wrap(device);
        Tensor rounded = file.tensor("w").load(device, DType.FLOAT32);
        Tensor expected = Tensor.allocate(device, DType.FLOAT32, 3)) {
      assertThat(rounded.toFloats()).isEqualTo(expected.copyFrom(exact).toFloats());
      try (Tensor other = Tensor.allocate(device, DType.FLOAT32, 4)) {
        assertThatIllegalArgumentException()
            .isThrownBy(() -> file.tensor("w").copyTo(other))
            .withMessageContaining("[4] was expected");
      }
    }
  }

  @Test
  void refusesTypesThatAreNotComputedWith() throws IOException {
    try (Safetensors file = Safetensors.open(write(ALIGNED, 0))) {
      long before = device.bytesInUse();
      assertThatIllegalArgumentException()
          .isThrownBy(() -> file.tensor("i").wrap(device))
          .withMessageContaining("\"i\" is of dtype I8; F64, F32, BF16, F16 or I32 was expected");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> file.tensor("i").load(device, DType.FLOAT32));
      assertThatIllegalArgumentException()
          .isThrownBy(() -> file.tensor("w").load(device, DType.INT32));
      assertThat(device.bytesInUse()).isEqualTo(before);
    }
  }

  @Test
  void useAfterCloseIsAnException() throws IOException {
    Safetensors file = Safetensors.open(write(ALIGNED, 0));
    StoredTensor w = file.tensor("w");
    Tensor tensor = w.wrap(device);
    file.close();
    assertThatIllegalStateException().isThrownBy(tensor::toFloats).withMessageContaining("closed");
    assertThatIllegalStateException().isThrownBy(() -> w.wrap(device));
    assertThatIllegalStateException().isThrownBy(() -> w.load(device, DType.FLOAT32));
    tensor.close();
    assertThat(file.tensor("w").shape()).containsExactly(2, 3); // what the header said stays known
  }

  @Test
  void nativeCodeReadsKeysBeyondTwoGibibytes() throws IOException {
    long hole = (2L << 30) + 4096;
    long rows = 3 * 8 * Float.BYTES;
    String header =
        String.format(
            "{\"hole\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]},"
                + "\"k\":{\"dtype\":\"F32\",\"shape\":[1,3,1,8],\"data_offsets\":[%d,%d]}}",
            hole, hole, hole, hole + rows);
    header += " ".repeat(Math.floorMod(-header.length(), 8));
    Path path = Files.write(folder.resolve("large"), SafetensorsFiles.file(header, 0));
    try (RandomAccessFile sparse = new RandomAccessFile(path.toFile(), "rw")) {
      sparse.setLength(sparse.length() + hole + rows); // all keys and values are zero ...
    }
    CrossAttention attention = CrossAttention.builder().heads(1).headDim(8).build();
    try (Safetensors file = Safetensors.open(path);
        Group group = Group.self(device);
        Tensor q = Tensor.allocate(device, DType.FLOAT32, 1, 2, 1, 8);
        Tensor k = file.tensor("k").wrap(device);
        var forward = attention.forward(group, q, k, k)) {
      // ... so each of the 3 gets a third of the weight.
      assertThat(forward.logSumExp().toDoubles()[1]).isCloseTo(Math.log(3), within(1e-6));
    }
  }
}
