// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.List;
import org.lvxattn.AttentionBackend;
import org.lvxattn.DType;
import org.lvxattn.cli.workload.Model;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.DeviceChoice;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Parsers for the values of options. */
final class Choices {
  /** Description of every {@code --device} option. */
  static final String DEVICE = "Device: cpu (default), cuda, or cuda:i for GPU number i.";

  private static final List<String> GROUPS = List.of("local", "gloo", "mpi", "nccl");

  private Choices() {}

  /** Parses a floating-point dtype by its lower-case name. */
  static final class Dtype implements ITypeConverter<DType> {
    @Override
    public DType convert(String word) {
      for (DType dtype : DType.values()) {
        if (dtype.isFloating() && dtype.toString().equals(word)) {
          return dtype;
        }
      }
      throw new TypeConversionException(
          "unknown dtype '" + word + "', expected float64, float32, bfloat16 or float16");
    }
  }

  /** Parses a model by its name. */
  static final class ModelWord implements ITypeConverter<Model> {
    @Override
    public Model convert(String word) {
      try {
        return Model.named(word);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  /** Parses six sizes. */
  static final class Shape implements ITypeConverter<AttentionShape> {
    @Override
    public AttentionShape convert(String word) {
      try {
        return AttentionShape.parse(word);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  /** Parses the backend of a group. */
  static final class GroupWord implements ITypeConverter<String> {
    @Override
    public String convert(String word) {
      if (GROUPS.contains(word)) {
        return word;
      }
      throw new TypeConversionException(
          "unknown group '" + word + "', expected " + String.join(" or ", GROUPS));
    }
  }

  /** Parses the attention backend of a GPU. */
  static final class AttentionBackendWord implements ITypeConverter<AttentionBackend> {
    @Override
    public AttentionBackend convert(String word) {
      return switch (word) {
        case "lvx" -> AttentionBackend.LVX;
        case "cudnn" -> AttentionBackend.CUDNN;
        case "auto" -> AttentionBackend.AUTO;
        default ->
            throw new TypeConversionException(
                "unknown backend '" + word + "', expected lvx, cudnn or auto");
      };
    }
  }

  /** Parses a device. */
  static final class DeviceWord implements ITypeConverter<DeviceChoice> {
    @Override
    public DeviceChoice convert(String word) {
      try {
        return DeviceChoice.parse(word);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }
}
