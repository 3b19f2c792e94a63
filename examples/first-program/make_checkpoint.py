#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes layer.safetensors: one cross-attention layer of Llama 3-V in small, text, features and the layer's output.

The output is computed here by NumPy in float64, from the formulas of transformers' MllamaCrossAttentionDecoderLayer, and
stored in float32. Needs NumPy only; the same seed gives the same bytes.
"""
import json
import pathlib
import struct

import numpy as np

HIDDEN, HEADS, KEY_HEADS, HEAD_DIM, INTERMEDIATE = 32, 4, 2, 8, 64
TEXT, FEATURES, EPSILON = 12, 301, 1e-5
PREFIX = "language_model.model.layers.3."


def rms_norm(x, weight):
    return weight * x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON)


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def heads_of(x, heads):
    return x.reshape(x.shape[0], heads, HEAD_DIM).transpose(1, 0, 2)  # [head, row, dim]


def layer(w, x, features):
    h = rms_norm(x, w["input_layernorm.weight"])
    q = rms_norm(heads_of(h @ w["cross_attn.q_proj.weight"].T, HEADS), w["cross_attn.q_norm.weight"])
    k = rms_norm(heads_of(features @ w["cross_attn.k_proj.weight"].T, KEY_HEADS), w["cross_attn.k_norm.weight"])
    v = heads_of(features @ w["cross_attn.v_proj.weight"].T, KEY_HEADS)
    k, v = (np.repeat(t, HEADS // KEY_HEADS, axis=0) for t in (k, v))
    o = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(HEAD_DIM)) @ v
    o = o.transpose(1, 0, 2).reshape(x.shape[0], -1) @ w["cross_attn.o_proj.weight"].T
    y = x + np.tanh(w["cross_attn_attn_gate"]) * o
    z = rms_norm(y, w["post_attention_layernorm.weight"])
    gate, up = z @ w["mlp.gate_proj.weight"].T, z @ w["mlp.up_proj.weight"].T
    return y + np.tanh(w["cross_attn_mlp_gate"]) * (gate / (1 + np.exp(-gate)) * up @ w["mlp.down_proj.weight"].T)


def write(path, tensors):
    header, offset = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t.tobytes() for t in tensors.values()))


def main():
    random = np.random.default_rng(2502)

    def normal(*shape, scale=1.0, shift=0.0):
        return (shift + scale * random.standard_normal(shape)).astype("<f4")

    def linear(rows, columns):
        return normal(rows, columns, scale=columns**-0.5)

    weights = {
        "cross_attn.q_proj.weight": linear(HEADS * HEAD_DIM, HIDDEN),
        "cross_attn.k_proj.weight": linear(KEY_HEADS * HEAD_DIM, HIDDEN),
        "cross_attn.v_proj.weight": linear(KEY_HEADS * HEAD_DIM, HIDDEN),
        "cross_attn.o_proj.weight": linear(HIDDEN, HEADS * HEAD_DIM),
        "cross_attn.q_norm.weight": normal(HEAD_DIM, scale=0.1, shift=1.5),
        "cross_attn.k_norm.weight": normal(HEAD_DIM, scale=0.1, shift=1.5),
        "input_layernorm.weight": normal(HIDDEN, scale=0.1, shift=1.0),
        "cross_attn_attn_gate": np.array([0.8], "<f4"),
        "post_attention_layernorm.weight": normal(HIDDEN, scale=0.1, shift=1.0),
        "cross_attn_mlp_gate": np.array([-0.6], "<f4"),
        "mlp.gate_proj.weight": linear(INTERMEDIATE, HIDDEN),
        "mlp.up_proj.weight": linear(INTERMEDIATE, HIDDEN),
        "mlp.down_proj.weight": linear(HIDDEN, INTERMEDIATE),
    }
    text, features = normal(TEXT, HIDDEN), normal(FEATURES, HIDDEN)
    output = layer({name: w.astype(np.float64) for name, w in weights.items()}, text.astype(np.float64),
                   features.astype(np.float64)).astype("<f4")
    tensors = {PREFIX + name: w for name, w in weights.items()}
    tensors |= {"text": text[None], "features": features[None], "output": output[None]}
    write(pathlib.Path(__file__).with_name("layer.safetensors"), tensors)


main()
