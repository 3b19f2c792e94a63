// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.model;

import java.util.Arrays;
import org.lvxattn.Device;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Preconditions;

/**
 * The positions of a batch's images in its texts. The embeddings of all images of all batch items
 * are concatenated into one visual sequence, with row {@code image * tokensPerImage + token}.
 */
public final class Owl3Images {
  private final int[][] positions;
  private final int tokensPerImage;

  /**
   * Describes the images of a batch.
   *
   * @param positions {@code [batch][image of the item]}: text position of each image's token (the
   *     first, if the tokenizer splits it), ascending; empty for an item without images
   * @param tokensPerImage number of visual rows of an image
   * @throws NullPointerException if positions is null
   * @throws IllegalArgumentException if positions do not ascend from 0 or more
   */
  public Owl3Images(int[][] positions, int tokensPerImage) {
    this.tokensPerImage = Preconditions.positive(tokensPerImage, "tokensPerImage");
    this.positions = new int[Preconditions.present(positions, "positions").length][];
    for (int item = 0; item < positions.length; item++) {
      this.positions[item] = positions[item].clone();
      int before = -1;
      for (int position : positions[item]) {
        Preconditions.require(
            position > before,
            "positions["
                + item
                + "] is "
                + Arrays.toString(positions[item])
                + "; ascending numbers of 0 or more were expected");
        before = position;
      }
    }
  }

  /** Number of batch items. */
  public int batch() {
    return positions.length;
  }

  /** Number of images of all items. */
  public int count() {
    return Arrays.stream(positions).mapToInt(item -> item.length).sum();
  }

  /** Visual rows of all images. */
  public long rows() {
    return (long) count() * tokensPerImage;
  }

  /** Text positions of an item's images. */
  int[] positions(int item) {
    return positions[item];
  }

  int tokensPerImage() {
    return tokensPerImage;
  }

  /** int32 [1, rows]: the rotary positions of the keys of this rank's visual rows. */
  Tensor keyPositions(Device device, Owl3Variant variant, RowShard visual) {
    int[] ofImages =
        Arrays.stream(positions).flatMapToInt(Arrays::stream).map(variant::keyPosition).toArray();
    int[] values = new int[Math.toIntExact(visual.rows())];
    Arrays.setAll(
        values, row -> ofImages[Math.toIntExact((visual.begin() + row) / tokensPerImage)]);
    return Tensor.of(device, values, 1, values.length);
  }
}
