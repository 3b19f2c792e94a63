# SPDX-License-Identifier: Apache-2.0
"""Attention problems with random numbers, textbook attention in float64, and the numeric contract."""

import math

import torch

# Bounds of o, gradients and lse.
BOUNDS = {
    torch.bfloat16: (6e-3, 1.6e-2, 1e-4),
    torch.float16: (8e-4, 2e-3, 1e-4),
    torch.float32: (5e-6, 5e-6, 5e-6),
    torch.float64: (1e-12, 1e-12, 1e-12),
}


class Problem:
    """Tensors of [batch, sequence, heads, headDim], and result tensors filled with NaN."""

    def __init__(self, sizes, dtype, masked=False):
        batch, queries, keys, heads, key_heads, dim = sizes

        def noise(rows, count):
            return torch.randn(batch, rows, count, dim, device="cuda").to(dtype)

        self.scale = dim**-0.5
        self.q, self.k, self.v = noise(queries, heads), noise(keys, key_heads), noise(keys, key_heads)
        self.d_o = noise(queries, heads)
        self.o, self.dq, self.dk, self.dv = (
            torch.full_like(x, math.nan) for x in (self.q, self.q, self.k, self.v)
        )
        sums = torch.float64 if dtype == torch.float64 else torch.float32
        self.lse = torch.full((batch, heads, queries), math.nan, device="cuda", dtype=sums)
        self.ranges = None
        if masked:
            bounds = torch.randint(0, keys + 1, (batch, queries, 1, 2), device="cuda").sort(dim=-1).values
            self.ranges = bounds.to(torch.int32).contiguous()
        torch.cuda.synchronize()

    def shard(self, queries, keys):
        """The problem of these rows of queries and keys, given as (begin, end); all tensors are views of this problem's."""
        part = object.__new__(Problem)
        part.scale = self.scale
        for name in ("q", "d_o", "o", "dq"):
            setattr(part, name, getattr(self, name)[:, slice(*queries)])
        for name in ("k", "v", "dk", "dv"):
            setattr(part, name, getattr(self, name)[:, slice(*keys)])
        part.lse = self.lse[:, :, slice(*queries)]
        part.ranges = None if self.ranges is None else self.ranges[:, slice(*queries)]
        return part

    def results(self):
        return [x.clone() for x in (self.o, self.lse, self.dq, self.dk, self.dv)]

    def reference(self):
        """o, lse, dq, dk, dv in float64; rows that see no key give zeros and lse = -infinity."""
        q, k, v = (x.double().requires_grad_() for x in (self.q, self.k, self.v))
        group = q.shape[2] // k.shape[2]
        s = torch.einsum("bqhd,bkhd->bhqk", q, k.repeat_interleave(group, 2)) * self.scale
        if self.ranges is not None:
            at = torch.arange(k.shape[1], device="cuda")
            seen = (at >= self.ranges[:, :, 0, :1]) & (at < self.ranges[:, :, 0, 1:])
            s = s.masked_fill(~seen[:, None], -math.inf)
        lse = torch.logsumexp(s, -1)
        p = torch.exp(s - lse.masked_fill(lse == -math.inf, 0)[..., None])
        o = torch.einsum("bhqk,bkhd->bqhd", p, v.repeat_interleave(group, 2))
        o.backward(self.d_o.double())
        return o.detach(), lse.detach(), q.grad, k.grad, v.grad

    def errors(self, results):
        return [error(x, y) for x, y in zip(results, self.reference())]


def error(x, reference):
    x = x.double()
    finite = torch.isfinite(reference)
    if not torch.equal(torch.isfinite(x), finite) or not torch.equal(x[~finite], reference[~finite]):
        return math.inf
    if not finite.any():
        return 0.0
    largest = reference[finite].abs().max().item()
    difference = (x - reference)[finite].abs().max().item()
    return difference if largest < 1e-6 else difference / largest


def within_contract(errors, dtype):
    o, gradients, lse = BOUNDS[dtype]
    return all(x <= limit for x, limit in zip(errors, (o, lse, gradients, gradients, gradients)))
