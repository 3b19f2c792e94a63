// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VideoClipTest {
  @TempDir private Path folder;

  static Path clip() throws URISyntaxException {
    return Path.of(
            Objects.requireNonNull(VideoClipTest.class.getResource("/clip/frame-0.png")).toURI())
        .resolveSibling("");
  }

  @Test
  void cutsEveryFrameIntoPatches() throws Exception {
    VideoClip clip = VideoClip.read(clip());
    assertThat(clip.frames()).isEqualTo(8);
    assertThat(clip.tokens()).isEqualTo(8 * (112 / VideoClip.PATCH) * (112 / VideoClip.PATCH));
  }

  @Test
  void rowsDependOnPictureAndSeedAlone() throws Exception {
    VideoClip clip = VideoClip.read(clip());
    float[] row = row(clip, 1, 100);
    assertThat(row(clip, 1, 100)).isEqualTo(row);
    assertThat(row(VideoClip.read(clip()), 1, 100)).isEqualTo(row);
    assertThat(row(clip, 2, 100)).isNotEqualTo(row);
    assertThat(row(clip, 1, 101)).isNotEqualTo(row);
  }

  @Test
  void neighbouringPatchesAreAlikeAsInPictures() throws Exception {
    VideoClip clip = VideoClip.read(clip());
    double alike = 0;
    for (int token = 0; token + 1 < 64; token++) {
      alike += cosine(row(clip, 1, token), row(clip, 1, token + 1)) / 63;
    }
    assertThat(alike).isGreaterThan(0.3); // random rows of this width: about 0 +- 0.02
  }

  @Test
  void partsOfPatchesAreLeftOut() throws IOException {
    BufferedImage picture = new BufferedImage(30, 27, BufferedImage.TYPE_INT_RGB);
    ImageIO.write(picture, "png", folder.resolve("a.png").toFile());
    ImageIO.write(picture, "jpg", folder.resolve("b.JPG").toFile());
    Files.writeString(folder.resolve("notes.txt"), "no picture");
    VideoClip clip = VideoClip.read(folder);
    assertThat(clip.frames()).isEqualTo(2);
    assertThat(clip.tokens()).isEqualTo(2 * 2);
  }

  @Test
  void refusesPicturesWithoutAPatch() throws IOException {
    BufferedImage picture = new BufferedImage(13, 100, BufferedImage.TYPE_INT_RGB);
    ImageIO.write(picture, "png", folder.resolve("thin.png").toFile());
    assertThatThrownBy(() -> VideoClip.read(folder))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("13 x 100 pixels");
  }

  @Test
  void refusesFoldersWithoutPictures() {
    assertThatThrownBy(() -> VideoClip.read(folder)).hasMessageContaining("holds no frames");
  }

  private static float[] row(VideoClip clip, long seed, int token) {
    float[] row = new float[2048];
    clip.project(row.length, seed).read(0, token, row);
    return row;
  }

  private static double cosine(float[] a, float[] b) {
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      ab += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    return ab / Math.sqrt(aa * bb);
  }
}
