// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.golden;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.lvxattn.cli.output.Json;
import org.lvxattn.cli.workload.AttentionShape;
import org.lvxattn.io.Safetensors;

/** What a golden file says about itself in its metadata. */
final class GoldenSpec {
  private static final String PLAIN = "plain_attention";
  private static final String FORMAT = "lvxattn-golden/1";

  private final Map<String, @Nullable Object> members;

  private GoldenSpec(Map<String, @Nullable Object> members) {
    this.members = members;
  }

  /**
   * Reads the spec of a file.
   *
   * @throws GoldenException if it has none
   */
  static GoldenSpec read(Path path) throws IOException {
    try (Safetensors file = Safetensors.open(path)) {
      String text = file.metadata().get("spec");
      if (text == null) {
        throw new GoldenException("no golden case: the file's metadata have no \"spec\"");
      }
      GoldenSpec spec = new GoldenSpec(Json.readObject(text));
      if (!spec.text("format").equals(FORMAT)) {
        throw new GoldenException(
            "golden format '" + spec.text("format") + "', expected '" + FORMAT + "'");
      }
      return spec;
    } catch (IllegalArgumentException e) {
      throw new GoldenException("the spec in the file's metadata: " + e.getMessage());
    }
  }

  String name() {
    return text("case");
  }

  String kind() {
    return text("kind");
  }

  /** Attention alone, as opposed to a whole layer of a model. */
  boolean isPlain() {
    return kind().equals(PLAIN);
  }

  double scale() {
    return number("scale").doubleValue();
  }

  /** Checks that logits are scaled as layers do it. */
  void requireUsualScale(int headDim) {
    double usual = 1 / Math.sqrt(headDim);
    if (!(Math.abs(scale() - usual) <= 1e-12)) {
      throw new GoldenException("scale " + scale() + ", expected that of layers, " + usual);
    }
  }

  /** The dtypes, in lower case, that hold the inputs without rounding. */
  Set<String> exactIn() {
    return Arrays.stream(text("inputs_exact_in").split(","))
        .map(String::strip)
        .collect(Collectors.toUnmodifiableSet());
  }

  AttentionShape shape() {
    return new AttentionShape(
        number("B").intValue(),
        number("Sq").longValue(),
        number("Skv").longValue(),
        number("Hq").intValue(),
        number("Hkv").intValue(),
        number("D").intValue());
  }

  /** Checks that a text begins with a word that is known here. */
  void expect(String name, String begin) {
    if (!text(name).startsWith(begin)) {
      throw new GoldenException(name + " '" + text(name) + "', expected '" + begin + "'");
    }
  }

  /** A text that the spec must have. */
  String text(String name) {
    if (members.get(name) instanceof String text) {
      return text;
    }
    throw new GoldenException("the spec has no text \"" + name + "\"");
  }

  /** A whole number of 1 or more that the spec must have. */
  int count(String name) {
    long value = number(name).longValue();
    if (value != number(name).doubleValue() || value < 1 || value > Integer.MAX_VALUE) {
      throw new GoldenException(
          "the spec's \"" + name + "\" is " + number(name) + ", expected a count of 1 or more");
    }
    return (int) value;
  }

  /** True or false, which the spec must say. */
  boolean flag(String name) {
    if (members.get(name) instanceof Boolean flag) {
      return flag;
    }
    throw new GoldenException("the spec says neither true nor false for \"" + name + "\"");
  }

  /** A number that the spec must have. */
  Number number(String name) {
    if (members.get(name) instanceof Number number) {
      return number;
    }
    throw new GoldenException("the spec has no number \"" + name + "\"");
  }
}
