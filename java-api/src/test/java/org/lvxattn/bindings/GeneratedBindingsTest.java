// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.lvxattn.bindings.generated.Lvx;
import org.lvxattn.bindings.generated.lvx_abi_field;
import org.lvxattn.bindings.generated.lvx_attention_backend_choice;
import org.lvxattn.bindings.generated.lvx_attention_options;
import org.lvxattn.bindings.generated.lvx_cpu_options;
import org.lvxattn.bindings.generated.lvx_cuda_options;
import org.lvxattn.bindings.generated.lvx_device_info;
import org.lvxattn.bindings.generated.lvx_dl_device;
import org.lvxattn.bindings.generated.lvx_dl_dtype;
import org.lvxattn.bindings.generated.lvx_error;
import org.lvxattn.bindings.generated.lvx_group_info;
import org.lvxattn.bindings.generated.lvx_group_options;
import org.lvxattn.bindings.generated.lvx_plan_options;
import org.lvxattn.bindings.generated.lvx_plan_step;
import org.lvxattn.bindings.generated.lvx_projection;
import org.lvxattn.bindings.generated.lvx_projection_gradients;
import org.lvxattn.bindings.generated.lvx_record;
import org.lvxattn.bindings.generated.lvx_rejected_connections;
import org.lvxattn.bindings.generated.lvx_statistics;
import org.lvxattn.bindings.generated.lvx_tensor;
import org.lvxattn.bindings.generated.lvx_visual_options;

/** Compares the bindings with what the library reports about itself, to find stale bindings. */
class GeneratedBindingsTest {
  private static final List<Class<?>> STRUCTS =
      List.of(
          lvx_abi_field.class,
          lvx_attention_options.class,
          lvx_cpu_options.class,
          lvx_cuda_options.class,
          lvx_device_info.class,
          lvx_dl_device.class,
          lvx_dl_dtype.class,
          lvx_attention_backend_choice.class,
          lvx_error.class,
          lvx_group_info.class,
          lvx_group_options.class,
          lvx_plan_options.class,
          lvx_plan_step.class,
          lvx_projection.class,
          lvx_projection_gradients.class,
          lvx_record.class,
          lvx_statistics.class,
          lvx_rejected_connections.class,
          lvx_tensor.class,
          lvx_visual_options.class);

  @BeforeAll
  static void load() {
    NativeLibrary.load();
  }

  @Test
  void theVersionsAgree() {
    assertThat(Lvx.lvx_abi_version()).isEqualTo(Lvx.LVX_ABI_VERSION());
  }

  @Test
  void everyFunctionIsInTheLibrary() throws ReflectiveOperationException {
    int functions = 0;
    for (Method method : Lvx.class.getMethods()) {
      if (method.getName().endsWith("$address")) {
        assertThat(method.invoke(null)).as(method.getName()).isNotEqualTo(MemorySegment.NULL);
        functions++;
      }
    }
    assertThat(functions).isGreaterThan(20);
  }

  @Test
  void everyStructAndFieldIsWhereTheLibraryHasIt() throws ReflectiveOperationException {
    Set<String> described = new HashSet<>();
    for (Field field : describe()) {
      described.add(field.name());
      int dot = field.name().indexOf('.');
      Class<?> struct = struct(dot < 0 ? field.name() : field.name().substring(0, dot));
      if (dot < 0) {
        assertThat(layout(struct, "layout").byteSize()).as(field.name()).isEqualTo(field.size());
      } else {
        String name = field.name().substring(dot + 1);
        assertThat(struct.getMethod(name + "$offset").invoke(null))
            .as(field.name())
            .isEqualTo(field.offset());
        assertThat(layout(struct, name + "$layout").byteSize())
            .as(field.name())
            .isEqualTo(field.size());
      }
    }
    assertThat(described).containsExactlyInAnyOrderElementsOf(bound());
  }

  private record Field(String name, long offset, long size) {}

  private static List<Field> describe() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
      assertThat(Lvx.lvx_abi_describe(MemorySegment.NULL, 0, count)).isZero();
      long entries = count.get(ValueLayout.JAVA_LONG, 0);
      MemorySegment fields = lvx_abi_field.allocateArray(entries, arena);
      assertThat(Lvx.lvx_abi_describe(fields, entries, count)).isZero();
      List<Field> result = new ArrayList<>();
      for (long i = 0; i < entries; i++) {
        MemorySegment field = lvx_abi_field.asSlice(fields, i);
        result.add(
            new Field(
                lvx_abi_field.name(field).getString(0),
                lvx_abi_field.offset(field),
                lvx_abi_field.size(field)));
      }
      return result;
    }
  }

  private static Class<?> struct(String name) {
    return STRUCTS.stream()
        .filter(struct -> struct.getSimpleName().equals(name))
        .findFirst()
        .orElseThrow(() -> new AssertionError("no binding for struct " + name));
  }

  private static MemoryLayout layout(Class<?> struct, String method)
      throws ReflectiveOperationException {
    return (MemoryLayout) struct.getMethod(method).invoke(null);
  }

  private static Set<String> bound() {
    Set<String> names = new HashSet<>();
    for (Class<?> struct : STRUCTS) {
      names.add(struct.getSimpleName());
      for (Method method : struct.getMethods()) {
        if (method.getName().endsWith("$offset")) {
          String field = method.getName().substring(0, method.getName().indexOf('$'));
          names.add(struct.getSimpleName() + "." + field);
        }
      }
    }
    return names;
  }
}
