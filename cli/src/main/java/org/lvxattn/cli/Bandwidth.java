// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import org.lvxattn.plan.Link;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A link as {@code GB/s[,us]}: bandwidth in 10^9 bytes per second, and latency in microseconds. */
final class Bandwidth implements ITypeConverter<Link> {
  @Override
  public Link convert(String word) {
    String[] parts = word.split(",", -1);
    try {
      double gigabytes = Double.parseDouble(parts[0]);
      double microseconds = parts.length == 1 ? 0 : Double.parseDouble(parts[1]);
      if (parts.length <= 2 && gigabytes > 0 && Double.isFinite(gigabytes)) {
        return new Link(gigabytes * 1e9, microseconds * 1e-6);
      }
    } catch (IllegalArgumentException e) {
      // reported below
    }
    throw new TypeConversionException(
        "'" + word + "', expected GB/s or GB/s,us: a number above 0, and one from 0 on");
  }
}
