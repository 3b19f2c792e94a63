// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.internal.dlpack;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/** The two structs of DLPack that manage a tensor: the names and the order of dlpack.h. */
public enum ManagedStruct {
  /** The one before DLPack 1.0. It cannot say that memory is read-only. */
  UNVERSIONED(
      MemoryLayout.structLayout(
              Fields.TENSOR.withName("dl_tensor"),
              ValueLayout.ADDRESS.withName("manager_ctx"),
              ValueLayout.ADDRESS.withName("deleter"))
          .withName("DLManagedTensor")),
  /** The one of DLPack 1.x. */
  VERSIONED(
      MemoryLayout.structLayout(
              MemoryLayout.structLayout(
                      ValueLayout.JAVA_INT.withName("major"),
                      ValueLayout.JAVA_INT.withName("minor"))
                  .withName("version"),
              ValueLayout.ADDRESS.withName("manager_ctx"),
              ValueLayout.ADDRESS.withName("deleter"),
              ValueLayout.JAVA_LONG.withName("flags"),
              Fields.TENSOR.withName("dl_tensor"))
          .withName("DLManagedTensorVersioned"));

  /** The major version that is understood. A minor version adds device types and dtypes. */
  static final int MAJOR = 1;

  /** The minor version of what is exported, which uses nothing newer than DLPack 1.0. */
  static final int MINOR = 0;

  /** Bit of flags: the consumer must not write. */
  static final long READ_ONLY = 1;

  @SuppressWarnings("ImmutableEnumChecker") // layouts are immutable, but not annotated
  private final StructLayout layout;

  private final long tensor;

  ManagedStruct(StructLayout layout) {
    this.layout = layout;
    this.tensor = layout.byteOffset(PathElement.groupElement("dl_tensor"));
  }

  /** The struct with its fields. */
  public StructLayout layout() {
    return layout;
  }

  /** Name of the struct in dlpack.h. */
  String structName() {
    return layout.name().orElseThrow();
  }

  /** Bytes from the beginning to a field, for instance {@code version, major}. */
  long offset(String... path) {
    PathElement[] elements = new PathElement[path.length];
    for (int i = 0; i < path.length; i++) {
      elements[i] = PathElement.groupElement(path[i]);
    }
    return layout.byteOffset(elements);
  }

  /** Bytes from the beginning to a field of the DLTensor. */
  long tensorOffset(String... path) {
    PathElement[] elements = new PathElement[path.length];
    for (int i = 0; i < path.length; i++) {
      elements[i] = PathElement.groupElement(path[i]);
    }
    return tensor + Fields.TENSOR.byteOffset(elements);
  }

  /** Initialized before the constants of the enum, which use it. */
  private static final class Fields {
    static final StructLayout TENSOR =
        MemoryLayout.structLayout(
                ValueLayout.ADDRESS.withName("data"),
                MemoryLayout.structLayout(
                        ValueLayout.JAVA_INT.withName("device_type"),
                        ValueLayout.JAVA_INT.withName("device_id"))
                    .withName("device"),
                ValueLayout.JAVA_INT.withName("ndim"),
                MemoryLayout.structLayout(
                        ValueLayout.JAVA_BYTE.withName("code"),
                        ValueLayout.JAVA_BYTE.withName("bits"),
                        ValueLayout.JAVA_SHORT.withName("lanes"))
                    .withName("dtype"),
                ValueLayout.ADDRESS.withName("shape"),
                ValueLayout.ADDRESS.withName("strides"),
                ValueLayout.JAVA_LONG.withName("byte_offset"))
            .withName("DLTensor");

    private Fields() {}
  }
}
