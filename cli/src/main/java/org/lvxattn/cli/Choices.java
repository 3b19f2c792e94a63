// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import java.util.List;
import org.lvxattn.DType;
import org.lvxattn.cli.workload.AttentionShape;
import org.lvxattn.cli.workload.Model;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** The words that options take. */
final class Choices {
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
      return oneOf("group", List.of("local", "gloo", "mpi", "nccl"), List.of(), word);
    }
  }

  /** What computes. */
  static final class DeviceWord implements ITypeConverter<String> {
    @Override
    public String convert(String word) {
      return oneOf("device", List.of("cpu"), List.of("cuda"), word);
    }
  }

  private static String oneOf(
      String option, List<String> there, List<String> planned, String word) {
    if (there.contains(word)) {
      return word;
    }
    String problem =
        planned.contains(word)
            ? option + " " + word + " is not part of this version"
            : "unknown " + option + " '" + word + "'";
    throw new TypeConversionException(problem + ", expected " + String.join(" or ", there));
  }
}
