// SPDX-License-Identifier: Apache-2.0
package org.lvxattn;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How a layer makes keys and values of visual features {@code [batch, rows, width]}:
 *
 * <pre>{@code
 * f = inputNorm(features)      K = f Wk^T + bk      V = f Wv^T + bv
 * K = rotary(keyNorm(K), positions)
 * }</pre>
 *
 * <p>Norms and rotary embedding are optional. Parameters are tensors of the caller, which must be
 * open and unchanged whenever the projection is used; they have the dtype of the features or that
 * of its accumulator. Where they wrap segments of several arenas, none of those may be closed by
 * another thread during a call. Shapes are checked by the calls that use the projection.
 *
 * <p>Immutable. Making one costs nothing to speak of: it owns no memory.
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
   * Starts with nothing set; {@link Builder#keyValueHeads}, {@link Builder#headDim} and {@link
   * Builder#weight} must be.
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

  /** How the weights lie. */
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

  Tensor weight() {
    return weight;
  }

  @Nullable Tensor bias() {
    return bias;
  }

  @Nullable Tensor valueWeight() {
    return valueWeight;
  }

  @Nullable Tensor valueBias() {
    return valueBias;
  }

  double inputEpsilon() {
    return inputEpsilon;
  }

  @Nullable Tensor inputWeight() {
    return inputWeight;
  }

  @Nullable Tensor inputBias() {
    return inputBias;
  }

  double keyEpsilon() {
    return keyEpsilon;
  }

  @Nullable Tensor keyWeight() {
    return keyWeight;
  }

  double theta() {
    return theta;
  }

  @Nullable Tensor positions() {
    return positions;
  }

  /**
   * Zeros, ready to be added to, for every parameter: its shape, float32 (float64 for float64), on
   * its device.
   *
   * @throws IllegalStateException if a parameter was closed
   * @throws WrongThreadException if another thread owns the device
   * @throws OutOfDeviceMemoryException if memory or the device's budget does not suffice
   */
  public Gradients newGradients() {
    List<Tensor> made = new ArrayList<>();
    try {
      return new Gradients(
          zeros(weight, made),
          zeros(bias, made),
          zeros(valueWeight, made),
          zeros(valueBias, made),
          zeros(inputWeight, made),
          zeros(inputBias, made),
          zeros(keyWeight, made),
          true);
    } catch (RuntimeException e) {
      Tensors.closeAfter(e, made.toArray(Tensor[]::new));
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

  /**
   * Gradients of a projection's parameters: each has the parameter's shape in float32 (float64 for
   * float64), and is added to. Null: not wanted, or no such parameter.
   */
  public static final class Gradients implements AutoCloseable {
    private final @Nullable Tensor weight;
    private final @Nullable Tensor bias;
    private final @Nullable Tensor valueWeight;
    private final @Nullable Tensor valueBias;
    private final @Nullable Tensor inputWeight;
    private final @Nullable Tensor inputBias;
    private final @Nullable Tensor keyWeight;
    private final boolean owned;

    private Gradients(
        @Nullable Tensor weight,
        @Nullable Tensor bias,
        @Nullable Tensor valueWeight,
        @Nullable Tensor valueBias,
        @Nullable Tensor inputWeight,
        @Nullable Tensor inputBias,
        @Nullable Tensor keyWeight,
        boolean owned) {
      this.weight = weight;
      this.bias = bias;
      this.valueWeight = valueWeight;
      this.valueBias = valueBias;
      this.inputWeight = inputWeight;
      this.inputBias = inputBias;
      this.keyWeight = keyWeight;
      this.owned = owned;
    }

    /** Starts with none wanted; the tensors stay the caller's. */
    public static Builder builder() {
      return new Builder();
    }

    /** Of {@link KeyValueProjection.Builder#weight}. */
    public @Nullable Tensor weight() {
      return weight;
    }

    /** Of {@link KeyValueProjection.Builder#bias}. */
    public @Nullable Tensor bias() {
      return bias;
    }

    /** Of {@link KeyValueProjection.Builder#valueWeight}. */
    public @Nullable Tensor valueWeight() {
      return valueWeight;
    }

    /** Of {@link KeyValueProjection.Builder#valueBias}. */
    public @Nullable Tensor valueBias() {
      return valueBias;
    }

    /** Of the weight of {@link KeyValueProjection.Builder#inputNorm}. */
    public @Nullable Tensor inputWeight() {
      return inputWeight;
    }

    /** Of the bias of {@link KeyValueProjection.Builder#inputNorm}. */
    public @Nullable Tensor inputBias() {
      return inputBias;
    }

    /** Of the weight of {@link KeyValueProjection.Builder#keyNorm}. */
    public @Nullable Tensor keyWeight() {
      return keyWeight;
    }

    /**
     * Closes the tensors if {@link KeyValueProjection#newGradients} made them; those of a {@link
     * Builder} stay open.
     *
     * @throws IllegalStateException if one of them was closed already
     * @throws WrongThreadException if another thread owns the device
     */
    @Override
    public void close() {
      if (owned) {
        Tensors.closeAll(weight, bias, valueWeight, valueBias, inputWeight, inputBias, keyWeight);
      }
    }

    /** Collects the tensors to be added to. */
    public static final class Builder {
      private @Nullable Tensor weight;
      private @Nullable Tensor bias;
      private @Nullable Tensor valueWeight;
      private @Nullable Tensor valueBias;
      private @Nullable Tensor inputWeight;
      private @Nullable Tensor inputBias;
      private @Nullable Tensor keyWeight;

      private Builder() {}

      /** Of {@link KeyValueProjection.Builder#weight}. */
      public Builder weight(@Nullable Tensor weight) {
        this.weight = weight;
        return this;
      }

      /** Of {@link KeyValueProjection.Builder#bias}. */
      public Builder bias(@Nullable Tensor bias) {
        this.bias = bias;
        return this;
      }

      /** Of {@link KeyValueProjection.Builder#valueWeight}. */
      public Builder valueWeight(@Nullable Tensor valueWeight) {
        this.valueWeight = valueWeight;
        return this;
      }

      /** Of {@link KeyValueProjection.Builder#valueBias}. */
      public Builder valueBias(@Nullable Tensor valueBias) {
        this.valueBias = valueBias;
        return this;
      }

      /** Of the weight of {@link KeyValueProjection.Builder#inputNorm}. */
      public Builder inputWeight(@Nullable Tensor inputWeight) {
        this.inputWeight = inputWeight;
        return this;
      }

      /** Of the bias of {@link KeyValueProjection.Builder#inputNorm}. */
      public Builder inputBias(@Nullable Tensor inputBias) {
        this.inputBias = inputBias;
        return this;
      }

      /** Of the weight of {@link KeyValueProjection.Builder#keyNorm}. */
      public Builder keyWeight(@Nullable Tensor keyWeight) {
        this.keyWeight = keyWeight;
        return this;
      }

      /** The gradients that were collected. */
      public Gradients build() {
        return new Gradients(
            weight, bias, valueWeight, valueBias, inputWeight, inputBias, keyWeight, false);
      }
    }
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
      Arguments.require(
          keyValueHeads > 0, "keyValueHeads is " + keyValueHeads + "; 1 or more was expected");
      this.keyValueHeads = keyValueHeads;
      return this;
    }

    /**
     * Elements of one head; must be set.
     *
     * @throws IllegalArgumentException if it is no multiple of 8 from 8 to 256
     */
    public Builder headDim(int headDim) {
      CrossAttention.requireHeadDim(headDim);
      this.headDim = headDim;
      return this;
    }

    /**
     * How the weights lie; {@link KeyValueLayout#SEPARATE} if not set.
     *
     * @throws NullPointerException if layout is null
     */
    public Builder layout(KeyValueLayout layout) {
      this.layout = Arguments.present(layout, "layout");
      return this;
    }

    /**
     * Wk {@code [keyValueHeads * headDim, width]}; with {@code 2 * keyValueHeads * headDim} outputs
     * where the layout has one weight for keys and values. Must be set.
     *
     * @throws NullPointerException if weight is null
     */
    public Builder weight(Tensor weight) {
      this.weight = Arguments.present(weight, "weight");
      return this;
    }

    /** bk, one number for each output of {@link #weight}; null: none. */
    public Builder bias(@Nullable Tensor bias) {
      this.bias = bias;
      return this;
    }

    /** Wv {@code [keyValueHeads * headDim, width]}, for {@link KeyValueLayout#SEPARATE} alone. */
    public Builder valueWeight(@Nullable Tensor valueWeight) {
      this.valueWeight = valueWeight;
      return this;
    }

    /** bv, for {@link KeyValueLayout#SEPARATE} alone; null: none. */
    public Builder valueBias(@Nullable Tensor valueBias) {
      this.valueBias = valueBias;
      return this;
    }

    /**
     * Normalises the features' rows first.
     *
     * @param epsilon added to the mean square or variance, above 0
     * @param weight {@code [width]}
     * @param bias {@code [width]} for {@link Norm#LAYER}, null for {@link Norm#RMS}
     * @throws NullPointerException if norm or weight is null
     * @throws IllegalArgumentException if norm is {@link Norm#NONE}, epsilon is not above 0, or
     *     bias does not go with norm
     */
    public Builder inputNorm(Norm norm, double epsilon, Tensor weight, @Nullable Tensor bias) {
      Arguments.require(
          Arguments.present(norm, "norm") != Norm.NONE, "norm is NONE; RMS or LAYER was expected");
      Arguments.present(weight, "weight");
      requirePositive(epsilon, "epsilon");
      Arguments.require(
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
      requirePositive(epsilon, "epsilon");
      this.keyEpsilon = epsilon;
      this.keyWeight = Arguments.present(weight, "weight");
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
      requirePositive(theta, "theta");
      this.theta = theta;
      this.positions = Arguments.present(positions, "positions");
      return this;
    }

    private static void requirePositive(double value, String name) {
      Arguments.require(
          Double.isFinite(value) && value > 0,
          name + " is " + value + "; a finite number above 0 was expected");
    }

    /**
     * The projection that was described.
     *
     * @throws IllegalStateException if keyValueHeads, headDim or weight was not set
     * @throws IllegalArgumentException if valueWeight or valueBias does not go with the layout
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
      Arguments.require(
          (valueWeight != null) == separate,
          "valueWeight is "
              + (valueWeight == null ? "null" : "given")
              + "; one was expected for SEPARATE, none for other layouts");
      Arguments.require(
          separate || valueBias == null, "valueBias is given; null was expected for " + layout);
      return new KeyValueProjection(this, weight);
    }
  }
}
