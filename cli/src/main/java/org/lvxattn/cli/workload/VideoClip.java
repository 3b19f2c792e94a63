// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.cli.workload;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.lvxattn.oracle.AttentionShape;
import org.lvxattn.oracle.Inputs;
import org.lvxattn.oracle.Rows;

/**
 * A video as visual tokens: the images of a folder, ordered by name, each cut into patches of 14 x
 * 14 pixels, row by row. Incomplete patches at the right and lower edges are dropped.
 */
public final class VideoClip {
  /** Width and height of a patch in pixels, as in the models' vision transformers. */
  public static final int PATCH = 14;

  private static final int PATCH_WIDTH = PATCH * PATCH * 3;
  private static final List<String> SUFFIXES = List.of(".png", ".jpg", ".jpeg");

  private final int frames;
  private final List<float[]> patches;

  private VideoClip(int frames, List<float[]> patches) {
    this.frames = frames;
    this.patches = patches;
  }

  /**
   * Reads the PNG and JPEG files of a folder.
   *
   * @throws IOException if there are no images, or one cannot be read or is smaller than a patch
   */
  public static VideoClip read(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      throw new IOException(folder + " is not a folder; expected one with PNG or JPEG frames");
    }
    List<Path> files;
    try (Stream<Path> all = Files.list(folder)) {
      files = all.filter(VideoClip::isPicture).sorted().toList();
    }
    if (files.isEmpty()) {
      throw new IOException(folder + " holds no frames; expected files named " + SUFFIXES);
    }
    List<float[]> patches = new ArrayList<>();
    for (Path file : files) {
      cut(file, patches);
    }
    return new VideoClip(files.size(), patches);
  }

  private static boolean isPicture(Path file) {
    String name = file.toString().toLowerCase(Locale.ROOT);
    return SUFFIXES.stream().anyMatch(name::endsWith);
  }

  private static void cut(Path file, List<float[]> patches) throws IOException {
    BufferedImage picture;
    try {
      picture = ImageIO.read(file.toFile());
    } catch (IOException e) {
      throw new IOException(file + " cannot be read as a picture: " + e.getMessage(), e);
    }
    if (picture == null) {
      throw new IOException(file + " is not a picture that Java can read");
    }
    if (picture.getWidth() < PATCH || picture.getHeight() < PATCH) {
      throw new IOException(
          String.format(
              Locale.ROOT,
              "%s has %d x %d pixels; expected at least one patch of %d x %d",
              file,
              picture.getWidth(),
              picture.getHeight(),
              PATCH,
              PATCH));
    }
    for (int y = 0; y + PATCH <= picture.getHeight(); y += PATCH) {
      for (int x = 0; x + PATCH <= picture.getWidth(); x += PATCH) {
        patches.add(patch(picture.getRGB(x, y, PATCH, PATCH, null, 0, PATCH)));
      }
    }
  }

  /**
   * Scales colours from 0 to 255 roughly as for vision transformers: mean 0, standard deviation 1.
   */
  private static float[] patch(int[] pixels) {
    float[] values = new float[PATCH_WIDTH];
    int at = 0;
    for (int pixel : pixels) {
      for (int shift = 16; shift >= 0; shift -= 8) {
        values[at++] = (((pixel >> shift) & 0xff) / 255f - 0.5f) / 0.25f;
      }
    }
    return values;
  }

  public int frames() {
    return frames;
  }

  /** Number of patches of all frames. */
  public int tokens() {
    return patches.size();
  }

  /** Inputs with the queries of {@code text} and with keys and values from this clip. */
  public Inputs inputs(Inputs text, long seed) {
    AttentionShape shape = text.shape();
    AttentionShape longer =
        new AttentionShape(
            1, shape.queries(), tokens(), shape.queryHeads(), shape.keyHeads(), shape.headDim());
    return new Inputs(
        longer,
        text.queries(),
        project(shape.keyWidth(), 2 * seed),
        project(shape.keyWidth(), 2 * seed + 1),
        text.outputGradient());
  }

  /**
   * Multiplies every patch by one random matrix, which gives rows with the statistics of images.
   */
  public Rows project(int width, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] weights = new float[PATCH_WIDTH * width];
    double scale = 1 / Math.sqrt(PATCH_WIDTH);
    for (int i = 0; i < weights.length; i++) {
      weights[i] = (float) (scale * random.nextGaussian());
    }
    return (item, row, into) -> {
      float[] patch = patches.get(Math.toIntExact(row));
      Arrays.fill(into, 0);
      for (int i = 0; i < PATCH_WIDTH; i++) {
        for (int j = 0; j < width; j++) {
          into[j] += patch[i] * weights[i * width + j];
        }
      }
    };
  }
}
