// SPDX-License-Identifier: Apache-2.0
package org.lvxattn.layer;

import org.jspecify.annotations.Nullable;
import org.lvxattn.Tensor;
import org.lvxattn.internal.Closing;

/**
 * Gradients of a projection's parameters. Each has the parameter's shape in float32 (float64 for
 * float64) and is accumulated. A gradient is null if it is not wanted or there is no such
 * parameter.
 */
public final class KeyValueGradients implements AutoCloseable {
  private final @Nullable Tensor weight;
  private final @Nullable Tensor bias;
  private final @Nullable Tensor valueWeight;
  private final @Nullable Tensor valueBias;
  private final @Nullable Tensor inputWeight;
  private final @Nullable Tensor inputBias;
  private final @Nullable Tensor keyWeight;
  private final boolean owned;

  KeyValueGradients(
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

  /** An empty builder: no gradient is wanted. The caller keeps ownership of the tensors. */
  public static Builder builder() {
    return new Builder();
  }

  /** Gradient of {@link KeyValueProjection.Builder#weight}. */
  public @Nullable Tensor weight() {
    return weight;
  }

  /** Gradient of {@link KeyValueProjection.Builder#bias}. */
  public @Nullable Tensor bias() {
    return bias;
  }

  /** Gradient of {@link KeyValueProjection.Builder#valueWeight}. */
  public @Nullable Tensor valueWeight() {
    return valueWeight;
  }

  /** Gradient of {@link KeyValueProjection.Builder#valueBias}. */
  public @Nullable Tensor valueBias() {
    return valueBias;
  }

  /** Gradient of the weight of {@link KeyValueProjection.Builder#inputNorm}. */
  public @Nullable Tensor inputWeight() {
    return inputWeight;
  }

  /** Gradient of the bias of {@link KeyValueProjection.Builder#inputNorm}. */
  public @Nullable Tensor inputBias() {
    return inputBias;
  }

  /** Gradient of the weight of {@link KeyValueProjection.Builder#keyNorm}. */
  public @Nullable Tensor keyWeight() {
    return keyWeight;
  }

  /**
   * Closes the tensors if {@link KeyValueProjection#newGradients} allocated them; those of a {@link
   * Builder} stay open. Closing again does nothing.
   *
   * @throws WrongThreadException if another thread owns the device
   */
  @Override
  public void close() {
    if (owned) {
      Closing.closeAll(weight, bias, valueWeight, valueBias, inputWeight, inputBias, keyWeight);
    }
  }

  /** Collects the tensors that are accumulated into. */
  public static final class Builder {
    private @Nullable Tensor weight;
    private @Nullable Tensor bias;
    private @Nullable Tensor valueWeight;
    private @Nullable Tensor valueBias;
    private @Nullable Tensor inputWeight;
    private @Nullable Tensor inputBias;
    private @Nullable Tensor keyWeight;

    private Builder() {}

    /** Gradient of {@link KeyValueProjection.Builder#weight}. */
    public Builder weight(@Nullable Tensor weight) {
      this.weight = weight;
      return this;
    }

    /** Gradient of {@link KeyValueProjection.Builder#bias}. */
    public Builder bias(@Nullable Tensor bias) {
      this.bias = bias;
      return this;
    }

    /** Gradient of {@link KeyValueProjection.Builder#valueWeight}. */
    public Builder valueWeight(@Nullable Tensor valueWeight) {
      this.valueWeight = valueWeight;
      return this;
    }

    /** Gradient of {@link KeyValueProjection.Builder#valueBias}. */
    public Builder valueBias(@Nullable Tensor valueBias) {
      this.valueBias = valueBias;
      return this;
    }

    /** Gradient of the weight of {@link KeyValueProjection.Builder#inputNorm}. */
    public Builder inputWeight(@Nullable Tensor inputWeight) {
      this.inputWeight = inputWeight;
      return this;
    }

    /** Gradient of the bias of {@link KeyValueProjection.Builder#inputNorm}. */
    public Builder inputBias(@Nullable Tensor inputBias) {
      this.inputBias = inputBias;
      return this;
    }

    /** Gradient of the weight of {@link KeyValueProjection.Builder#keyNorm}. */
    public Builder keyWeight(@Nullable Tensor keyWeight) {
      this.keyWeight = keyWeight;
      return this;
    }

    /** Builds the gradients. */
    public KeyValueGradients build() {
      return new KeyValueGradients(
          weight, bias, valueWeight, valueBias, inputWeight, inputBias, keyWeight, false);
    }
  }
}
