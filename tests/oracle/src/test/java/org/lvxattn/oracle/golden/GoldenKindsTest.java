// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.oracle.golden;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.lvxattn.DType;
import org.lvxattn.Strategy;
import org.lvxattn.io.StoredType;
import org.lvxattn.oracle.DeviceChoice;
import org.lvxattn.oracle.golden.CaseResult.Status;

/** Golden cases other than plain attention, and NaN or infinity in unseen inputs. */
class GoldenKindsTest {
  private static final String PLAIN = "\"plain_attention\"";
  private static final String LSE_ERROR =
      "\"lse_error\": \"entry by entry: |x - ref| / max(1, |ref|), for reasons\", ";

  private static final float LARGE = 32.567f;

  @TempDir private Path folder;

  /** Every key twice: each gets half of the gradient, and lse grows by log 2. */
  private static EditedGolden repeated(String name, int keys, int headDim) throws IOException {
    EditedGolden golden = new EditedGolden(Goldens.file(name));
    golden
        .say(PLAIN, "\"long_repeated_attention\"")
        .say("\"Skv\": " + keys, "\"distinct_rows\": " + keys + ", \"Skv\": " + 2 * keys);
    ByteBuffer rowsOf = EditedGolden.little(2 * keys * Integer.BYTES);
    for (int key = 0; key < 2 * keys; key++) {
      rowsOf.putInt(key * Integer.BYTES, (key * 5 + 3) % keys);
    }
    golden.put("kv_rows_of", StoredType.I32, rowsOf, 2L * keys);
    golden.put("k_rows", StoredType.F32, golden.data("k"), 1, 1, keys, headDim).remove("k");
    golden.put("v_rows", StoredType.F32, golden.data("v"), 1, 1, keys, headDim).remove("v");
    ByteBuffer lse = golden.data("lse");
    for (int i = 0; i < lse.capacity(); i += Float.BYTES) {
      lse.putFloat(i, (float) (lse.getFloat(i) + Math.log(2)));
    }
    for (String gradient : new String[] {"dk", "dv"}) {
      ByteBuffer numbers = golden.data(gradient);
      for (int i = 0; i < numbers.capacity(); i += Float.BYTES) {
        numbers.putFloat(i, numbers.getFloat(i) / 2);
      }
      golden.put(gradient + "_rows", StoredType.F32, numbers, 1, 1, keys, headDim).remove(gradient);
    }
    return golden;
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT32", "FLOAT64", "BFLOAT16", "FLOAT16"})
  void repeatedKeysHaveTheGradientsOfTheirRows(DType dtype) throws IOException {
    CaseResult result = check(repeated("plain_gqa4_d128_bf16exact", 128, 128), dtype, 3);
    assertThat(result.status()).as(result.reason()).isEqualTo(Status.PASSED);
    assertThat(result.errors()).containsOnlyKeys("o", "lse", "dq", "dk_rows", "dv_rows", "delta");
  }

  @Test
  void whatAFileOfRepeatedKeysDoesNotHoldIsNotCompared() throws IOException {
    EditedGolden golden = repeated("plain_gqa4_d128_bf16exact", 128, 128);
    CaseResult result = check(golden.remove("dq").remove("dk_rows"), DType.FLOAT32, 2);
    assertThat(result.status()).as(result.reason()).isEqualTo(Status.PASSED);
    assertThat(result.errors()).containsOnlyKeys("o", "lse", "dv_rows", "delta");
  }

  @ParameterizedTest
  @ValueSource(strings = {"dk_rows", "dv_rows"})
  void everyRowOfRepeatedKeysIsCompared(String tensor) throws IOException {
    for (int row = 0; row < 128; row += 31) {
      EditedGolden golden = repeated("plain_gqa4_d128_bf16exact", 128, 128);
      int place = (row * 128 + 5) * Float.BYTES;
      golden.data(tensor).putFloat(place, golden.data(tensor).getFloat(place) + 0.5f);
      assertThat(check(golden, DType.FLOAT32, 2).reason()).startsWith(tensor + " is off by");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 128})
  void rowsThatAreNotThereAreRefused(int row) throws IOException {
    EditedGolden golden = repeated("plain_gqa4_d128_bf16exact", 128, 128);
    golden.data("kv_rows_of").putInt(8, row);
    CaseResult result = check(golden, DType.FLOAT32, 2);
    assertThat(result.status()).isEqualTo(Status.FAILED);
    assertThat(result.reason()).isEqualTo("kv_rows_of holds " + row + ", expected 0 to 127");
  }

  @Test
  void onlyRepeatedKeysAreGivenAsRows() throws IOException {
    EditedGolden golden = new EditedGolden(Goldens.file("plain_gqa4_d128_bf16exact"));
    golden.put("k_rows", StoredType.F32, golden.data("k"), 1, 1, 128, 128);
    assertThat(check(golden, DType.FLOAT32, 2).reason()).contains("no kind that is known");
  }

  @Test
  void lseIsJudgedEntryByEntryWhereTheSpecSaysSo() throws IOException {
    EditedGolden whole = hugeBias("");
    assertThat(check(whole, DType.FLOAT32, 2).status()).isEqualTo(Status.PASSED);
    damageASmallLse(whole);
    assertThat(check(whole, DType.FLOAT32, 2).status()).isEqualTo(Status.PASSED);
    EditedGolden byEntry = hugeBias(LSE_ERROR);
    assertThat(check(byEntry, DType.FLOAT32, 2).status()).isEqualTo(Status.PASSED);
    damageASmallLse(byEntry);
    assertThat(check(byEntry, DType.FLOAT32, 2).reason()).startsWith("lse is off by");
  }

  @Test
  void anUnknownRuleOfJudgementIsRefused() throws IOException {
    EditedGolden golden = hugeBias(LSE_ERROR.replace("max", "min"));
    CaseResult result = check(golden, DType.FLOAT32, 2);
    assertThat(result.status()).isEqualTo(Status.FAILED);
    assertThat(result.reason()).contains("lse_error").contains("expected 'entry by entry");
  }

  /** Half precision cannot represent 32.567, so the bias, the same for all keys, stays float32. */
  @ParameterizedTest
  @EnumSource(names = {"FLOAT32", "FLOAT64", "BFLOAT16", "FLOAT16"})
  void hugeBiasesAreNotRounded(DType dtype) throws IOException {
    EditedGolden golden = new EditedGolden(Goldens.file("plain_gqa4_d128_bf16exact"));
    golden.say(PLAIN, "\"huge_bias_attention\"").say("\"B\":", LSE_ERROR + "\"B\":");
    ByteBuffer bias = EditedGolden.little(128 * Float.BYTES);
    for (int key = 0; key < 128; key++) {
      add(bias, key, LARGE);
    }
    golden.put("bias", StoredType.F32, bias, 1, 1, 1, 128);
    for (int row = 0; row < 4 * 32; row++) {
      add(golden.data("lse"), row, LARGE);
    }
    CaseResult result = check(golden, dtype, 2);
    assertThat(result.status()).as(result.reason()).isEqualTo(Status.PASSED);
  }

  /** The last query's logits are all larger by a constant, and so is its lse. */
  private static EditedGolden hugeBias(String member) throws IOException {
    int queries = 15;
    int keys = 43;
    EditedGolden golden = new EditedGolden(Goldens.file("plain_bias_full_d64"));
    golden.say(PLAIN, "\"huge_bias_attention\"").say("\"B\":", member + "\"B\":");
    ByteBuffer bias = golden.data("bias");
    ByteBuffer lse = golden.data("lse");
    for (int row = queries - 1; row < 2 * 4 * queries; row += queries) {
      for (int key = 0; key < keys; key++) {
        add(bias, row * keys + key, LARGE);
      }
      add(lse, row, LARGE);
    }
    return golden;
  }

  private static void damageASmallLse(EditedGolden golden) {
    add(golden.data("lse"), 0, 6e-5f); // of 36: below 5e-6, of 4: above it
  }

  private static void add(ByteBuffer floats, int index, float value) {
    floats.putFloat(index * Float.BYTES, floats.getFloat(index * Float.BYTES) + value);
  }

  @ParameterizedTest
  @CsvSource({
    "plain_gqa4_d128, plain_attention, sink_attention",
    "plain_gqa4_d128, plain_attention, lse_gradient_attention",
    "plain_gqa4_d128, plain_attention, packed_attention",
    "plain_gqa4_d128, plain_attention, streaming_attention",
    "flamingo_previous, layer_openflamingo, layer_ltx2",
    "flamingo_previous, layer_openflamingo, layer_whisper",
    "flamingo_previous, layer_openflamingo, layer_idefics",
    "flamingo_previous, layer_openflamingo, layer_t5gemma2",
    "flamingo_previous, layer_openflamingo, layer_diffusiongemma"
  })
  void kindsThatAreNotComputedYetAreSkipped(String name, String kind, String other)
      throws IOException {
    EditedGolden golden = new EditedGolden(Goldens.file(name)).say(kind, other);
    for (DType dtype : new DType[] {DType.FLOAT32, DType.BFLOAT16}) {
      CaseResult result = check(golden, dtype, 2);
      assertThat(result.status()).isEqualTo(Status.SKIPPED);
      assertThat(result.reason()).contains("kind '" + other + "'");
    }
  }

  @Test
  void headDimensionsThatAreNotServedAreSkipped() throws IOException {
    EditedGolden golden =
        new EditedGolden(Goldens.file("plain_gqa4_d128")).say("\"D\": 128", "\"D\": 512");
    CaseResult result = check(golden, DType.FLOAT32, 2);
    assertThat(result.status()).isEqualTo(Status.SKIPPED);
    assertThat(result.reason()).contains("plain_attention").contains("head dimension 512");
  }

  /** Keys that no query sees hold NaN and infinities of both signs. */
  @ParameterizedTest
  @CsvSource({
    "plain_masked_garbage_d64, FLOAT32",
    "plain_masked_garbage_d64, FLOAT64",
    "plain_masked_garbage_d64, BFLOAT16",
    "plain_masked_garbage_d64, FLOAT16",
    "plain_varlen_kv_d128, FLOAT32"
  })
  void unseenInputsThatAreNoNumbersPass(String name, DType dtype) throws IOException {
    EditedGolden golden = new EditedGolden(Goldens.file(name));
    ByteBuffer mask = golden.data("mask"); // [batch, 1, 1, keys]
    for (String input : new String[] {"k", "v"}) {
      ByteBuffer numbers = golden.data(input); // [batch, heads, keys, headDim]
      int batch = name.contains("varlen") ? 3 : 2;
      int keys = mask.capacity() / batch;
      int headDim = name.contains("d128") ? 128 : 64;
      int heads = numbers.capacity() / Float.BYTES / batch / keys / headDim;
      float[] garbage = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY};
      int replaced = 0;
      for (int i = 0; i < numbers.capacity() / Float.BYTES; i++) {
        int key = i / headDim % keys;
        int item = i / headDim / keys / heads;
        if (mask.get(item * keys + key) == 0) {
          numbers.putFloat(i * Float.BYTES, garbage[replaced++ % garbage.length]);
        }
      }
      assertThat(replaced).isPositive();
    }
    for (Strategy strategy : Strategy.schedules()) {
      for (int ranks : new int[] {1, 4}) {
        CaseResult result = check(golden, dtype, ranks, strategy);
        assertThat(result.status()).as(result.reason()).isEqualTo(Status.PASSED);
      }
    }
  }

  @Test
  void seenInputsThatAreNoNumbersFail() throws IOException {
    EditedGolden golden = new EditedGolden(Goldens.file("plain_gqa4_d128"));
    golden.data("k").putFloat(0, Float.NaN);
    CaseResult result = check(golden, DType.FLOAT32, 2);
    assertThat(result.status()).isEqualTo(Status.FAILED);
    assertThat(result.reason()).contains("o is off by NaN");
  }

  @Test
  void wideInputsThatAreNoFloatsAreRefused() throws IOException {
    EditedGolden golden = new EditedGolden(Goldens.file("plain_gqa4_d128"));
    double[] wide = new double[golden.data("k").capacity() / Float.BYTES];
    Arrays.fill(wide, 0.5);
    wide[1] = Double.NaN;
    wide[2] = 0.1;
    ByteBuffer bytes = EditedGolden.little(wide.length * Double.BYTES);
    bytes.asDoubleBuffer().put(wide);
    golden.put("k", StoredType.F64, bytes, 1, 1, wide.length / 128, 128);
    assertThat(check(golden, DType.FLOAT32, 2).reason())
        .contains("holds 0.1, which no float32 equals");
  }

  private CaseResult check(EditedGolden golden, DType dtype, int ranks) throws IOException {
    return check(golden, dtype, ranks, Strategy.QUERY_RING);
  }

  private CaseResult check(EditedGolden golden, DType dtype, int ranks, Strategy strategy)
      throws IOException {
    Path file = golden.write(folder.resolve("edited.safetensors"));
    return GoldenCheck.of(file, dtype).run(strategy, Ranks.local(ranks, DeviceChoice.CPU), false);
  }
}
