// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Parses an integer of 1 or more. */
final class Positive implements ITypeConverter<Integer> {
  @Override
  public Integer convert(String word) {
    try {
      int value = Integer.parseInt(word);
      if (value >= 1) {
        return value;
      }
    } catch (NumberFormatException e) {
      // reported below
    }
    throw new TypeConversionException("'" + word + "', expected an integer from 1 on");
  }
}
