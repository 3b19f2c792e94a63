// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.dlpack;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.PaddingLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.lvxattn.bindings.generated.lvx_dl_device;
import org.lvxattn.bindings.generated.lvx_dl_dtype;
import org.lvxattn.bindings.generated.lvx_tensor;

/**
 * The structs against the layout that DLPack 1.x writes down for 64-bit platforms (dlpack.h): name,
 * offset and size of each field.
 */
class ManagedStructTest {
  private static final List<String> TENSOR =
      List.of(
          "data 0 8",
          "device.device_type 8 4",
          "device.device_id 12 4",
          "ndim 16 4",
          "dtype.code 20 1",
          "dtype.bits 21 1",
          "dtype.lanes 22 2",
          "shape 24 8",
          "strides 32 8",
          "byte_offset 40 8");

  @Test
  void theUnversionedStructIsAsWritten() {
    List<String> expected = new ArrayList<>(within(0));
    expected.add("manager_ctx 48 8");
    expected.add("deleter 56 8");
    assertThat(fields(ManagedStruct.UNVERSIONED)).containsExactlyElementsOf(expected);
    assertThat(ManagedStruct.UNVERSIONED.layout().byteSize()).isEqualTo(64);
    assertThat(ManagedStruct.UNVERSIONED.structName()).isEqualTo("DLManagedTensor");
  }

  @Test
  void theVersionedStructIsAsWritten() {
    List<String> expected =
        new ArrayList<>(
            List.of(
                "version.major 0 4",
                "version.minor 4 4",
                "manager_ctx 8 8",
                "deleter 16 8",
                "flags 24 8"));
    expected.addAll(within(32));
    assertThat(fields(ManagedStruct.VERSIONED)).containsExactlyElementsOf(expected);
    assertThat(ManagedStruct.VERSIONED.layout().byteSize()).isEqualTo(80);
    assertThat(ManagedStruct.VERSIONED.structName()).isEqualTo("DLManagedTensorVersioned");
    assertThat(ManagedStruct.READ_ONLY).as("bit 0 of flags").isEqualTo(1);
    assertThat(ManagedStruct.MAJOR).isEqualTo(1);
  }

  @Test
  void theOffsetsOfFieldsAreThoseOfTheLayout() {
    for (ManagedStruct struct : ManagedStruct.values()) {
      for (String field : fields(struct)) {
        String[] parts = field.split(" ", -1);
        String name = parts[0];
        long offset =
            name.startsWith("version") || List.of("manager_ctx", "deleter", "flags").contains(name)
                ? struct.offset(name.split("\\.", -1))
                : struct.tensorOffset(name.split("\\.", -1));
        assertThat(offset).as(struct + " " + name).isEqualTo(Long.parseLong(parts[1]));
      }
    }
  }

  @Test
  void theTensorIsThatOfTheAbi() {
    assertThat(lvx_tensor.sizeof()).isEqualTo(48);
    ManagedStruct struct = ManagedStruct.UNVERSIONED;
    assertThat(struct.tensorOffset("data")).isEqualTo(lvx_tensor.data$offset());
    assertThat(struct.tensorOffset("device", "device_id"))
        .isEqualTo(lvx_tensor.device$offset() + lvx_dl_device.device_id$offset());
    assertThat(struct.tensorOffset("dtype", "lanes"))
        .isEqualTo(lvx_tensor.dtype$offset() + lvx_dl_dtype.lanes$offset());
    assertThat(struct.tensorOffset("strides")).isEqualTo(lvx_tensor.strides$offset());
    assertThat(struct.tensorOffset("byte_offset")).isEqualTo(lvx_tensor.byte_offset$offset());
  }

  private static List<String> within(int begin) {
    return TENSOR.stream()
        .map(field -> field.split(" ", -1))
        .map(parts -> parts[0] + " " + (begin + Integer.parseInt(parts[1])) + " " + parts[2])
        .toList();
  }

  private static List<String> fields(ManagedStruct struct) {
    List<String> found = new ArrayList<>();
    collect(struct.layout(), "", 0, found);
    return found;
  }

  private static void collect(GroupLayout group, String prefix, long begin, List<String> found) {
    long offset = begin;
    for (MemoryLayout member : group.memberLayouts()) {
      assertThat(member).isNotInstanceOf(PaddingLayout.class);
      String name = member.name().orElseThrow();
      String path = name.equals("dl_tensor") ? "" : prefix + name;
      if (member instanceof GroupLayout inner) {
        collect(inner, path.isEmpty() ? "" : path + ".", offset, found);
      } else {
        found.add(path + " " + offset + " " + member.byteSize());
      }
      offset += member.byteSize();
    }
  }
}
