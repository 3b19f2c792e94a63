// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.lvxattn.io.Safetensors;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.JsonReader;

/** The description of a golden case in its file's metadata. */
final class GoldenSpec {
  private static final String HUGE_BIAS = "huge_bias_attention";
  private static final String REPEATED = "long_repeated_attention";
  private static final Set<String> ATTENTION = Set.of("plain_attention", HUGE_BIAS, REPEATED);
  private static final Set<String> LAYERS =
      Set.of("layer_llama3v", "layer_openflamingo", "layer_perceiver", "layer_mplugowl3");

  /** Kinds of golden files that this library does not support yet. */
  private static final Set<String> NOT_YET =
      Set.of(
          "sink_attention",
          "lse_gradient_attention",
          "packed_attention",
          "streaming_attention",
          "layer_ltx2",
          "layer_whisper",
          "layer_idefics",
          "layer_t5gemma2",
          "layer_diffusiongemma");

  private static final String LSE_ERROR = "lse_error";
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
      GoldenSpec spec = new GoldenSpec(JsonReader.readObject(text));
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

  /**
   * Whether the case is attention alone, not a whole layer of a model.
   *
   * @throws GoldenException if its kind is unknown
   */
  boolean isAttention() {
    String kind = kind();
    if (!ATTENTION.contains(kind) && !LAYERS.contains(kind)) {
      throw new GoldenException(
          "kind '"
              + kind
              + "', expected one of "
              + Stream.concat(ATTENTION.stream(), LAYERS.stream()).sorted().toList());
    }
    return ATTENTION.contains(kind);
  }

  /** Why the library cannot compute the case; empty if it can. */
  String unsupported() {
    if (NOT_YET.contains(kind())) {
      return "kind '" + kind() + "' is nothing that this library computes yet";
    }
    if (isAttention() && count("D") > AttentionShape.MAX_HEAD_DIM) {
      return "kind '"
          + kind()
          + "' with head dimension "
          + count("D")
          + ": this library serves up to "
          + AttentionShape.MAX_HEAD_DIM;
    }
    return "";
  }

  /** Whether keys are repetitions of a few rows. */
  boolean repeatsKeys() {
    return kind().equals(REPEATED);
  }

  /** Whether biases are too large for half precision; they stay float32 then. */
  boolean hasHugeBias() {
    return kind().equals(HUGE_BIAS);
  }

  /** Whether lse is compared entry by entry, since rows differ by many orders of magnitude. */
  boolean judgesLseByEntry() {
    if (!members.containsKey(LSE_ERROR)) {
      return false;
    }
    expect(LSE_ERROR, "entry by entry: |x - ref| / max(1, |ref|)");
    return true;
  }

  double scale() {
    return number("scale").doubleValue();
  }

  /** Checks that the scale is that of the layers. */
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

  /** Checks that a text begins with the expected word. */
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

  /** An integer of 1 or more that the spec must have. */
  int count(String name) {
    long value = number(name).longValue();
    if (value != number(name).doubleValue() || value < 1 || value > Integer.MAX_VALUE) {
      throw new GoldenException(
          "the spec's \"" + name + "\" is " + number(name) + ", expected a count of 1 or more");
    }
    return (int) value;
  }

  /** A boolean that the spec must have. */
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
