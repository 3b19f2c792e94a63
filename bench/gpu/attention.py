# SPDX-License-Identifier: Apache-2.0
"""Drives the CUDA device through the C ABI on tensors of PyTorch, which are passed by pointer.

verify [--few]: forward and backward against PyTorch in float64 on the rounded inputs; exit code 1 beyond the numeric
contract's bounds. time: beside PyTorch's flash attention in the same process.
"""

import ctypes
import math
import os
import statistics
import sys

import torch
from torch.nn.functional import scaled_dot_product_attention

LIBRARY = ctypes.CDLL(os.environ["LVX_LIBRARY"])
QUERY_RING = 1
CUDA = 2
FLOAT, BFLOAT = 2, 4
BOUNDS = {
    torch.bfloat16: (6e-3, 1.6e-2, 1e-4),
    torch.float16: (8e-4, 2e-3, 1e-4),
    torch.float32: (5e-6, 5e-6, 5e-6),
    torch.float64: (1e-12, 1e-12, 1e-12),
}


class DlDevice(ctypes.Structure):
    _fields_ = [("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32)]


class DlDtype(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", DlDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", DlDtype),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class Error(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint64),
        ("status", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("sequence", ctypes.c_uint64),
        ("operation", ctypes.c_char * 32),
        ("message", ctypes.c_char * 1024),
    ]


class AttentionOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint64),
        ("scale", ctypes.c_double),
        ("strategy", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


def check(status):
    if status != 0:
        error = Error(struct_size=ctypes.sizeof(Error))
        LIBRARY.lvx_last_error(ctypes.byref(error))
        raise RuntimeError(f"status {status}: {error.message.decode()}")


def described(tensor):
    """The struct for a tensor, and what must live as long as it."""
    if tensor is None:
        return None
    extents = (ctypes.c_int64 * tensor.dim())(*tensor.shape)
    strides = (ctypes.c_int64 * tensor.dim())(*tensor.stride())
    code = BFLOAT if tensor.dtype == torch.bfloat16 else 0 if tensor.dtype == torch.int32 else FLOAT
    struct = Tensor(
        tensor.data_ptr(), DlDevice(CUDA, 0), tensor.dim(), DlDtype(code, tensor.element_size() * 8, 1), extents, strides, 0
    )
    return ctypes.byref(struct)


class Gpu:
    def __init__(self):
        self.device = ctypes.c_uint64()
        check(LIBRARY.lvx_device_open_cuda(None, ctypes.byref(self.device)))
        self.group = ctypes.c_uint64()
        check(LIBRARY.lvx_group_create_self(self.device, None, ctypes.byref(self.group)))

    def synchronize(self):
        check(LIBRARY.lvx_device_synchronize(self.device))

    def forward(self, q, k, v, ranges, o, lse):
        options = AttentionOptions(ctypes.sizeof(AttentionOptions), q.shape[-1] ** -0.5, QUERY_RING, 0)
        tensors = [described(x) for x in (q, k, v, ranges, None, o, lse)]
        check(LIBRARY.lvx_attention_forward(self.group, ctypes.byref(options), *tensors, None))

    def backward(self, q, k, v, ranges, o, lse, d_o, dq, dk, dv):
        options = AttentionOptions(ctypes.sizeof(AttentionOptions), q.shape[-1] ** -0.5, QUERY_RING, 0)
        tensors = [described(x) for x in (q, k, v, ranges, None, o, lse, d_o, dq, dk, dv, None)]
        check(LIBRARY.lvx_attention_backward(self.group, ctypes.byref(options), *tensors, None))


class Problem:
    """Tensors of [batch, sequence, heads, headDim], and room for results, filled with NaN."""

    def __init__(self, sizes, dtype, masked=False):
        batch, queries, keys, heads, key_heads, dim = sizes

        def noise(rows, count):
            return torch.randn(batch, rows, count, dim, device="cuda").to(dtype)

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

    def ours(self, gpu, backward=True):
        gpu.forward(self.q, self.k, self.v, self.ranges, self.o, self.lse)
        if backward:
            gpu.backward(
                self.q, self.k, self.v, self.ranges, self.o, self.lse, self.d_o, self.dq, self.dk, self.dv
            )

    def reference(self):
        """o, lse, dq, dk, dv in float64; rows that see nothing give zeros and -infinity."""
        q, k, v = (x.double().requires_grad_() for x in (self.q, self.k, self.v))
        group = q.shape[2] // k.shape[2]
        s = torch.einsum("bqhd,bkhd->bhqk", q, k.repeat_interleave(group, 2)) * q.shape[-1] ** -0.5
        if self.ranges is not None:
            at = torch.arange(k.shape[1], device="cuda")
            seen = (at >= self.ranges[:, :, 0, :1]) & (at < self.ranges[:, :, 0, 1:])
            s = s.masked_fill(~seen[:, None], -math.inf)
        lse = torch.logsumexp(s, -1)
        p = torch.exp(s - lse.masked_fill(lse == -math.inf, 0)[..., None])
        o = torch.einsum("bhqk,bkhd->bqhd", p, v.repeat_interleave(group, 2))
        o.backward(self.d_o.double())
        return o.detach(), lse.detach(), q.grad, k.grad, v.grad


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


def verify(few):
    gpu = Gpu()
    shapes = [(1, 5, 67, 2, 1, 64), (2, 33, 300, 8, 2, 128), (1, 1, 4000, 8, 2, 128), (1, 130, 257, 4, 2, 80)]
    if not few:
        shapes += [(2, 17, 513, 6, 2, dim) for dim in (8, 24, 64, 80, 96, 128, 200, 256)]
        shapes += [(1, 300, 2500, 8, 2, 128), (1, 2, 20000, 8, 1, 64), (1, 1, 1, 1, 1, 16)]
    failed = 0
    for dtype in (torch.bfloat16, torch.float16) if few else BOUNDS:
        bounds = BOUNDS[dtype]
        for sizes in shapes:
            for masked in (False, True):
                problem = Problem(sizes, dtype, masked)
                problem.ours(gpu)
                gpu.synchronize()
                first = [x.clone() for x in (problem.o, problem.lse, problem.dq, problem.dk, problem.dv)]
                errors = [error(x, y) for x, y in zip(first, problem.reference())]
                limits = (bounds[0], bounds[2], bounds[1], bounds[1], bounds[1])
                good = all(x <= limit for x, limit in zip(errors, limits))
                problem.ours(gpu)
                gpu.synchronize()
                again = (problem.o, problem.lse, problem.dq, problem.dk, problem.dv)
                same = all(torch.equal(x, y) for x, y in zip(first, again))
                if not (good and same):
                    failed += 1
                    print("FAILED", dtype, sizes, "masked" if masked else "", errors, "" if same else "other bits")
    print(f"{failed} failed")
    return failed == 0


def median_seconds(call, synchronize):
    for _ in range(3):
        call()
    synchronize()
    times = []
    for _ in range(7):
        torch.cuda.synchronize()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        torch.cuda.synchronize()
        call()
        synchronize()  # our stream is not PyTorch's: events bracket whole, synchronised calls
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1e-3)
    return statistics.median(times)


def measured_rates():
    """bf16 matrix rate, and bytes per second of a copy within the GPU, read and written."""
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    rate = 2 * 8192**3 / median_seconds(lambda: a @ a, torch.cuda.synchronize)
    x = torch.randn(2**30, device="cuda")
    y = torch.empty_like(x)
    return rate, 2 * x.numel() * 4 / median_seconds(lambda: y.copy_(x), torch.cuda.synchronize)


# One layer of each model: heads, key heads, headDim, visual tokens a frame.
MODELS = {
    "llama3v-11b": (32, 8, 128, 6404),
    "llama3v-90b": (64, 8, 128, 6404),
    "mplug-owl3-1b": (14, 2, 64, 729),
    "mplug-owl3-2b": (12, 2, 128, 729),
    "mplug-owl3-7b": (28, 4, 128, 729),
    "openflamingo-3b": (8, 8, 64, 64),
    "openflamingo-9b": (8, 8, 64, 64),
}


def time_models():
    gpu = Gpu()
    rate, bandwidth = measured_rates()
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}: "
          f"{rate / 1e12:.0f} TFLOP/s bf16, {bandwidth / 1e12:.2f} TB/s")
    print(f"{'model':16} {'pass':9} {'queries':>7} {'keys':>8} {'ms':>9} {'share':>6} {'of':>7} {'rival/ours':>10}")
    for name, (heads, key_heads, dim, per_frame) in MODELS.items():
        for kernel_pass, queries, keys in (
            ("forward", 2048, 16384), ("forward", 256, 65536), ("backward", 2048, 16384), ("decode", 1, 262144),
        ):
            keys = max(1, keys // per_frame) * per_frame
            problem = Problem((1, queries, keys, heads, key_heads, dim), torch.bfloat16)
            problem.ours(gpu)
            if kernel_pass == "backward":
                def ours():
                    gpu.backward(problem.q, problem.k, problem.v, None, problem.o, problem.lse, problem.d_o,
                                 problem.dq, problem.dk, problem.dv)
            else:
                def ours():
                    problem.ours(gpu, backward=False)
            seconds = median_seconds(ours, gpu.synchronize)
            q, k, v, d_o = (x.transpose(1, 2) for x in (problem.q, problem.k, problem.v, problem.d_o))
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION):
                if kernel_pass == "backward":
                    for x in (q, k, v):
                        x.requires_grad_()
                    result = scaled_dot_product_attention(q, k, v, enable_gqa=heads != key_heads)

                    def rival():
                        torch.autograd.grad(result, (q, k, v), d_o, retain_graph=True)
                else:
                    def rival():
                        scaled_dot_product_attention(q, k, v, enable_gqa=heads != key_heads)
                rival_seconds = median_seconds(rival, torch.cuda.synchronize)
            if kernel_pass == "decode":
                share, of = 2 * keys * key_heads * dim * 2 / seconds / bandwidth, "memory"
            else:
                operations = 4 * heads * queries * keys * dim * (2.5 if kernel_pass == "backward" else 1)
                share, of = operations / seconds / rate, "matrix"
            print(f"{name:16} {kernel_pass:9} {queries:7} {keys:8} {seconds * 1e3:9.3f} {share:6.0%} {of:>7} "
                  f"{rival_seconds / seconds:10.2f}")


def main():
    torch.manual_seed(0)
    if sys.argv[1] == "time":
        time_models()
    elif not verify("--few" in sys.argv):
        sys.exit(1)


if __name__ == "__main__":
    main()
