// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TrainDemoCommandTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--model llama3v",
        "--model llama3v --optimizer sgd --policy KEEP",
        "--model llama3v --ranks 7 --policy RECOMPUTE --seed 3",
        "--model openflamingo",
        "--model openflamingo --optimizer sgd --layers 1",
        "--model mplug-owl3",
        "--model mplug-owl3 --optimizer sgd --ranks 3 --seed 2"
      })
  void fourRanksLearnWhatOneLearns(String options) {
    Lvx lvx = Lvx.run(("train-demo --json " + options).split(" "));
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    List<Double> one = losses(lvx, 0);
    List<Double> many = losses(lvx, 1);
    assertThat(one).hasSize(50);
    for (int step = 0; step < 50; step++) {
      assertThat(Math.abs(one.get(step) - many.get(step))).isLessThanOrEqualTo(1e-9);
    }
    assertThat(many.getLast()).isLessThan(0.6 * many.getFirst());
    // Guessing is right in one of six cases.
    assertThat((double) Objects.requireNonNull(run(lvx, 1).get("accuracy"))).isGreaterThan(0.4);
  }

  private static Map<String, ?> run(Lvx lvx, int number) {
    return lvx.objects("runs").get(number);
  }

  private static List<Double> losses(Lvx lvx, int number) {
    return ((List<?>) Objects.requireNonNull(run(lvx, number).get("losses")))
        .stream().map(loss -> (Double) loss).toList();
  }

  @Test
  void float32CoincidesAsFarAsItGoes() {
    Lvx lvx = Lvx.run("train-demo", "--dtype", "float32", "--json");
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    assertThat((double) lvx.member("maxDifference")).isBetween(Double.MIN_VALUE, 1e-3);
  }

  @Test
  void sayingThatTheLossDidNotFallIsAFailure() {
    Lvx lvx = Lvx.run("train-demo", "--steps", "2");
    assertThat(lvx.code()).isEqualTo(1);
    assertThat(lvx.out()).contains("the curves coincide").contains("DID NOT FALL");
  }

  @Test
  void peopleReadAndSeeTheCurves() throws IOException {
    Path svg = folder.resolve("loss.svg");
    Lvx lvx = Lvx.run("train-demo", "--steps", "40", "--chart", svg.toString());
    assertThat(lvx.code()).as(lvx.out() + lvx.err()).isZero();
    assertThat(lvx.out())
        .contains("2 layers of llama3v, adam, RECOMPUTE_TILED, float64")
        .contains("the curves coincide");
    assertThat(Files.readString(svg)).contains("<svg");
    Path png = folder.resolve("loss.png");
    assertThat(Lvx.run("train-demo", "--steps", "40", "--chart", png.toString()).code()).isZero();
    assertThat(ImageIO.read(png.toFile()).getWidth()).isEqualTo(900);
  }
}
