// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** An integer from 1 on. */
final class Positive implements ITypeConverter<Integer> {
  @Override
  public Integer convert(String word) {
    try {
      int value = Integer.parseInt(word);
      if (value >= 1) {
        return value;
      }
    } catch (NumberFormatException e) {
      // said below
    }
    throw new TypeConversionException("'" + word + "', expected an integer from 1 on");
  }
}
