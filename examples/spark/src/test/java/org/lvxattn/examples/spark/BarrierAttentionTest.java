// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.examples.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.lvxattn.testing.Seeds;

/** Runs in Spark's local mode: tasks are threads that communicate over TCP. */
@Timeout(300)
class BarrierAttentionTest {
  private static final Sizes SIZES = new Sizes(8, 2, 64);
  private static final int QUERIES = 37;
  private static final int TOKENS = 811;

  @SuppressWarnings("NullAway.Init") // before all tests
  private static JavaSparkContext spark;

  private final Random random = Seeds.random(4);

  @BeforeAll
  static void start() {
    spark =
        new JavaSparkContext(
            new SparkConf()
                .setMaster("local[4]")
                .setAppName("lvxattn")
                .set("spark.ui.enabled", "false")
                .set("spark.barrier.sync.timeout", "60s"));
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  @Test
  void fourRanksMatchOne() {
    float[] queries = random(QUERIES * SIZES.queryWidth());
    List<VisualTokens> tokens = tokens();
    BarrierAttention attention = new BarrierAttention(SIZES, Duration.ofSeconds(60));
    float[] one = attention.forward(queries, spark.parallelize(tokens, 1));
    float[] four = attention.forward(queries, spark.parallelize(tokens, 4));
    double difference = 0;
    double largest = 0;
    for (int i = 0; i < one.length; i++) {
      difference = Math.max(difference, Math.abs(one[i] - four[i]));
      largest = Math.max(largest, Math.abs(one[i]));
      assertThat(four[i]).isFinite();
    }
    assertThat(largest).isGreaterThan(0.01);
    assertThat(difference / largest).isLessThan(2e-6);
  }

  @Test
  void driverReportsTheErrorOfATask() {
    float[] queries = random(QUERIES * SIZES.queryWidth());
    Sizes odd = new Sizes(8, 2, 63);
    JavaRDD<VisualTokens> tokens = spark.parallelize(tokens(), 4);
    assertThatThrownBy(
            () -> new BarrierAttention(odd, Duration.ofSeconds(5)).forward(queries, tokens))
        .hasStackTraceContaining("headDim");
  }

  /** Uneven blocks, as with frames and tiles. */
  private List<VisualTokens> tokens() {
    List<VisualTokens> blocks = new ArrayList<>();
    for (int left = TOKENS; left > 0; ) {
      int rows = Math.min(left, 1 + random.nextInt(90));
      blocks.add(
          new VisualTokens(random(rows * SIZES.keyWidth()), random(rows * SIZES.keyWidth())));
      left -= rows;
    }
    return blocks;
  }

  private float[] random(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }
}
