// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.layer;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Closing;
import org.lvxattn.internal.Preconditions;

/**
 * How a layer projects keys and values from visual features {@code [batch, rows, width]}:
 *
 * <pre>{@code
 * f = inputNorm(features)      K = f Wk^T + bk      V = f Wv^T + bv
 * K = rotary(keyNorm(K), positions)
 * }</pre>
 *
 * <p>Norms and rotary embedding are optional. The caller owns the parameters and keeps them open
 * and unchanged while the projection is in use. They have the features' dtype or its accumulator.
 * If they wrap segments of several arenas, no other thread may close one of these arenas during a
 * call. The calls that use the projection check the shapes.
 *
 * <p>Immutable. It owns no memory and is cheap to create.
 */
public final class KeyValueProjection {
  private final int keyValueHeads;
  private final int headDim;
  private final KeyValueLayout layout;
  private final Tensor weight;
  private final @Nullable Tensor bias;
  private final @Nullable Tensor valueWeight;
  private final @Nullable Tensor valueBias;
  private final Norm inputNorm;
  private final double inputEpsilon;
  private final @Nullable Tensor inputWeight;
  private final @Nullable Tensor inputBias;
  private final double keyEpsilon;
  private final @Nullable Tensor keyWeight;
  private final double theta;
  private final @Nullable Tensor positions;

  private KeyValueProjection(Builder builder, Tensor weight) {
    this.keyValueHeads = builder.keyValueHeads;
    this.headDim = builder.headDim;
    this.layout = builder.layout;
    this.weight = weight;
    this.bias = builder.bias;
    this.valueWeight = builder.valueWeight;
    this.valueBias = builder.valueBias;
    this.inputNorm = builder.inputNorm;
    this.inputEpsilon = builder.inputEpsilon;
    this.inputWeight = builder.inputWeight;
    this.inputBias = builder.inputBias;
    this.keyEpsilon = builder.keyEpsilon;
    this.keyWeight = builder.keyWeight;
    this.theta = builder.theta;
    this.positions = builder.positions;
  }

  /**
   * An empty builder; {@link Builder#keyValueHeads}, {@link Builder#headDim} and {@link
   * Builder#weight} must be set.
   */
  public static Builder builder() {
    return new Builder();
  }

  /** Number of key and value heads. */
  public int keyValueHeads() {
    return keyValueHeads;
  }

  /** Elements of one head. */
  public int headDim() {
    return headDim;
  }

  /** Layout of the weights. */
  public KeyValueLayout layout() {
    return layout;
  }

  /** Norm of the features. */
  public Norm inputNorm() {
    return inputNorm;
  }

  /** Whether each head's keys are normalised (RMS). */
  public boolean hasKeyNorm() {
    return keyWeight != null;
  }

  /** Whether keys are rotated. */
  public boolean hasRotary() {
    return positions != null;
  }

  /** Wk, or Wk and Wv in one tensor; see {@link #layout}. */
  public Tensor weight() {
    return weight;
  }

  /** bk, or null if there is none. */
  public @Nullable Tensor bias() {
    return bias;
  }

  /** Wv, or null if it is part of {@link #weight}. */
  public @Nullable Tensor valueWeight() {
    return valueWeight;
  }

  /** bv, or null if there is none or it is part of {@link #bias}. */
  public @Nullable Tensor valueBias() {
    return valueBias;
  }

  /** The epsilon that is added to the variance of the features. */
  public double inputEpsilon() {
    return inputEpsilon;
  }

  /** Weight of the features' norm. */
  public @Nullable Tensor inputWeight() {
    return inputWeight;
  }

  /** Bias of the features' norm. */
  public @Nullable Tensor inputBias() {
    return inputBias;
  }

  /** The epsilon that is added to the variance of each head's keys. */
  public double keyEpsilon() {
    return keyEpsilon;
  }

  /** Weight of the keys' norm. */
  public @Nullable Tensor keyWeight() {
    return keyWeight;
  }

  /** Base of the rotary embedding's frequencies. */
  public double theta() {
    return theta;
  }

  /** Positions of the rows; null if keys are not rotated. */
  public @Nullable Tensor positions() {
    return positions;
  }

  /**
   * Allocates zero gradients for all parameters: each has the parameter's shape, in float32
   * (float64 for float64), on the parameter's device.
   *
   * @throws IllegalStateException if a parameter was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws org.lvxattn.OutOfDeviceMemoryException if memory or the device's budget does not
   *     suffice
   */
  public KeyValueGradients newGradients() {
    List<Tensor> made = new ArrayList<>();
    try {
      return new KeyValueGradients(
          zeros(weight, made),
          zeros(bias, made),
          zeros(valueWeight, made),
          zeros(valueBias, made),
          zeros(inputWeight, made),
          zeros(inputBias, made),
          zeros(keyWeight, made),
          true);
    } catch (RuntimeException | Error e) {
      Closing.closeAfter(e, made.toArray(Tensor[]::new));
      throw e;
    }
  }

  private static @Nullable Tensor zeros(@Nullable Tensor parameter, List<Tensor> made) {
    if (parameter == null) {
      return null;
    }
    Tensor zeros =
        Tensor.allocate(parameter.device(), parameter.dtype().accumulator(), parameter.shape());
    made.add(zeros);
    return zeros;
  }

  @Override
  public String toString() {
    return "KeyValueProjection["
        + keyValueHeads
        + " heads of "
        + headDim
        + ", "
        + layout
        + (inputNorm == Norm.NONE ? "" : ", " + inputNorm + " norm of the features")
        + (hasKeyNorm() ? ", norm of the keys" : "")
        + (hasRotary() ? ", rotary" : "")
        + "]";
  }

  /** Sets up a {@link KeyValueProjection}. */
  public static final class Builder {
    private int keyValueHeads;
    private int headDim;
    private KeyValueLayout layout = KeyValueLayout.SEPARATE;
    private @Nullable Tensor weight;
    private @Nullable Tensor bias;
    private @Nullable Tensor valueWeight;
    private @Nullable Tensor valueBias;
    private Norm inputNorm = Norm.NONE;
    private double inputEpsilon;
    private @Nullable Tensor inputWeight;
    private @Nullable Tensor inputBias;
    private double keyEpsilon;
    private @Nullable Tensor keyWeight;
    private double theta;
    private @Nullable Tensor positions;

    private Builder() {}

    /**
     * Number of key and value heads; must be set.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public Builder keyValueHeads(int keyValueHeads) {
      Preconditions.require(
          keyValueHeads > 0, "keyValueHeads is " + keyValueHeads + "; 1 or more was expected");
      this.keyValueHeads = keyValueHeads;
      return this;
    }

    /**
     * Elements of one head; must be set.
     *
     * @throws IllegalArgumentException if it is not a multiple of 8 from 8 to 256
     */
    public Builder headDim(int headDim) {
      this.headDim = Preconditions.headDim(headDim);
      return this;
    }

    /**
     * Layout of the weights; {@link KeyValueLayout#SEPARATE} if not set.
     *
     * @throws NullPointerException if layout is null
     */
    public Builder layout(KeyValueLayout layout) {
      this.layout = Preconditions.present(layout, "layout");
      return this;
    }

    /**
     * Wk {@code [keyValueHeads * headDim, width]}; or {@code [2 * keyValueHeads * headDim, width]}
     * if the layout has one weight for keys and values. Must be set.
     *
     * @throws NullPointerException if weight is null
     */
    public Builder weight(Tensor weight) {
      this.weight = Preconditions.present(weight, "weight");
      return this;
    }

    /** bk, one number for each row of {@link #weight}; null for none. */
    public Builder bias(@Nullable Tensor bias) {
      this.bias = bias;
      return this;
    }

    /** Wv {@code [keyValueHeads * headDim, width]}, for {@link KeyValueLayout#SEPARATE} only. */
    public Builder valueWeight(@Nullable Tensor valueWeight) {
      this.valueWeight = valueWeight;
      return this;
    }

    /** bv, for {@link KeyValueLayout#SEPARATE} only; null for none. */
    public Builder valueBias(@Nullable Tensor valueBias) {
      this.valueBias = valueBias;
      return this;
    }

    /**
     * Normalises each row of the features before the projection.
     *
     * @param epsilon added to the mean square or variance, above 0
     * @param weight {@code [width]}
     * @param bias {@code [width]} for {@link Norm#LAYER}, null for {@link Norm#RMS}
     * @throws NullPointerException if norm or weight is null
     * @throws IllegalArgumentException if norm is {@link Norm#NONE}, epsilon is not above 0, or
     *     bias does not match norm
     */
    public Builder inputNorm(Norm norm, double epsilon, Tensor weight, @Nullable Tensor bias) {
      Preconditions.require(
          Preconditions.present(norm, "norm") != Norm.NONE,
          "norm is NONE; RMS or LAYER was expected");
      Preconditions.present(weight, "weight");
      Preconditions.finitePositive(epsilon, "epsilon");
      Preconditions.require(
          (bias != null) == (norm == Norm.LAYER),
          "bias is "
              + (bias == null ? "null" : "given")
              + "; one was expected for LAYER, none for RMS");
      this.inputNorm = norm;
      this.inputEpsilon = epsilon;
      this.inputWeight = weight;
      this.inputBias = bias;
      return this;
    }

    /**
     * Normalises each head's keys ({@link Norm#RMS}).
     *
     * @param epsilon added to the mean square, above 0
     * @param weight {@code [headDim]}
     * @throws NullPointerException if weight is null
     * @throws IllegalArgumentException if epsilon is not above 0
     */
    public Builder keyNorm(double epsilon, Tensor weight) {
      Preconditions.finitePositive(epsilon, "epsilon");
      this.keyEpsilon = epsilon;
      this.keyWeight = Preconditions.present(weight, "weight");
      return this;
    }

    /**
     * Rotates the pairs (i, i + headDim / 2) of each head of the keys by {@code position *
     * theta^(-2 i / headDim)} (arXiv 2104.09864).
     *
     * @param theta above 0
     * @param positions int32 {@code [batch, rows]}, of this rank's features
     * @throws NullPointerException if positions is null
     * @throws IllegalArgumentException if theta is not above 0
     */
    public Builder rotary(double theta, Tensor positions) {
      Preconditions.finitePositive(theta, "theta");
      this.theta = theta;
      this.positions = Preconditions.present(positions, "positions");
      return this;
    }

    /**
     * Builds the projection.
     *
     * @throws IllegalStateException if keyValueHeads, headDim or weight was not set
     * @throws IllegalArgumentException if valueWeight or valueBias does not match the layout
     */
    public KeyValueProjection build() {
      if (keyValueHeads == 0 || headDim == 0) {
        throw new IllegalStateException(
            (keyValueHeads == 0 ? "keyValueHeads" : "headDim") + " was not set");
      }
      if (weight == null) {
        throw new IllegalStateException("weight was not set");
      }
      boolean separate = layout == KeyValueLayout.SEPARATE;
      Preconditions.require(
          (valueWeight != null) == separate,
          "valueWeight is "
              + (valueWeight == null ? "null" : "given")
              + "; one was expected for SEPARATE, none for other layouts");
      Preconditions.require(
          separate || valueBias == null, "valueBias is given; null was expected for " + layout);
      return new KeyValueProjection(this, weight);
    }
  }
}
