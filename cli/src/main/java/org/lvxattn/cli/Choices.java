// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.List;
import org.lvxattn.DType;
import org.lvxattn.Engine;
import org.lvxattn.cli.workload.AttentionShape;
import org.lvxattn.cli.workload.DeviceChoice;
import org.lvxattn.cli.workload.Model;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** The words that options take. */
final class Choices {
  /** What {@code --device} says, wherever it is an option. */
  static final String DEVICE =
      "What computes: cpu (default), cuda, or cuda:i for another GPU than the first.";

  private static final List<String> GROUPS = List.of("local", "gloo", "mpi", "nccl");

  private Choices() {}

  /** A floating-point dtype by its lower-case name. */
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

  /** A model by its name. */
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

  /** Six sizes. */
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

  /** The engine between ranks. */
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

  /** What computes attention on a GPU. */
  static final class EngineWord implements ITypeConverter<Engine> {
    @Override
    public Engine convert(String word) {
      return switch (word) {
        case "lvx" -> Engine.LVX;
        case "cudnn" -> Engine.CUDNN;
        case "auto" -> Engine.AUTO;
        default ->
            throw new TypeConversionException(
                "unknown engine '" + word + "', expected lvx, cudnn or auto");
      };
    }
  }

  /** What computes. */
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
