# SPDX-License-Identifier: Apache-2.0
"""Times forward, backward and decode for the models' shapes at several lengths, in alternation with PyTorch's flash attention
and cuDNN on one stream. Prints a table: the share of the bf16 matrix rate or of the memory bandwidth, both measured in the
same process, and how many times as long the others take."""

import argparse
import statistics
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from attention_backends import cudnn_call, cudnn_rank
from library import Rank
from problem import Problem

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
# Pass, queries, approximate number of keys. The longest come last, so that they are the first to be left out.
LENGTHS = [
    ("forward", 2048, 16384),
    ("forward", 256, 65536),
    ("backward", 2048, 16384),
    ("decode", 1, 65536),
    ("decode", 1, 262144),
    ("forward", 16, 65536),
    ("backward", 256, 65536),
    ("forward", 4096, 65536),
]
ROUNDS = 7


def seconds(call):
    """A function that times calls by events on the stream, and how many calls it should time at once: short calls are
    repeated so that launch overhead does not count."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)

    def measure(times):
        begin.record()
        for _ in range(times):
            call()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) * 1e-3 / times

    measure(1)
    return measure, max(1, int(2e-3 / max(measure(1), 1e-7)))


def in_turns(*calls):
    """The median time of each call, measured in alternation because the clock rate of a GPU varies."""
    prepared = [seconds(call) for call in calls]
    rounds = [[measure(times) for measure, times in prepared] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds)]


def measured_rates():
    """bf16 matrix rate, and bytes per second that a copy within the GPU reads and writes."""
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    x = torch.randn(2**28, device="cuda")
    y = torch.empty_like(x)
    product, copy = in_turns(lambda: a @ a, lambda: y.copy_(x))
    return 2 * 8192**3 / product, 2 * x.numel() * 4 / copy


def ours(rank, problem, kernel_pass):
    rank.forward(problem)
    return (lambda: rank.backward(problem)) if kernel_pass == "backward" else (lambda: rank.forward(problem))


def rival(problem, kernel_pass):
    q, k, v, d_o = (x.transpose(1, 2) for x in (problem.q, problem.k, problem.v, problem.d_o))
    grouped = q.shape[1] != k.shape[1]

    def forward():
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return scaled_dot_product_attention(q, k, v, enable_gqa=grouped)

    if kernel_pass != "backward":
        return forward
    for x in (q, k, v):
        x.requires_grad_()
    result = forward()
    return lambda: torch.autograd.grad(result, (q, k, v), d_o, retain_graph=True)


def row(rank, cudnn, name, kernel_pass, queries, about, rate, bandwidth):
    heads, key_heads, dim, per_frame = MODELS[name]
    keys = max(1, about // per_frame) * per_frame
    problem = Problem((1, queries, keys, heads, key_heads, dim), torch.bfloat16)
    second = cudnn_call(cudnn, problem, kernel_pass)
    mine, theirs, *others = in_turns(ours(rank, problem, kernel_pass), rival(problem, kernel_pass),
                                     *([second] if second else []))
    if kernel_pass == "decode":
        share, of = 2 * keys * key_heads * dim * 2 / mine / bandwidth, "memory"
    else:
        operations = 4 * heads * queries * keys * dim * (2.5 if kernel_pass == "backward" else 1)
        share, of = operations / mine / rate, "matrix"
    return (f"{name:16} {kernel_pass:9} {queries:7} {keys:8} {mine * 1e3:9.3f} {share:6.0%} {of:>7} "
            f"{theirs / mine:10.2f} {f'{others[0] / mine:10.2f}' if others else '-':>10}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240, help="time limit; rows that do not fit into it are left out")
    until = time.monotonic() + parser.parse_args().seconds
    torch.manual_seed(0)
    stream = torch.cuda.Stream()
    lines, left_out = [], 0
    with torch.cuda.stream(stream), Rank(stream=stream) as rank, cudnn_rank(stream) as cudnn:
        rate, bandwidth = measured_rates()
        for kernel_pass, queries, about in LENGTHS:
            for name in MODELS:
                if time.monotonic() > until:
                    left_out += 1
                    continue
                lines.append(row(rank, cudnn, name, kernel_pass, queries, about, rate, bandwidth))
    print(f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, PyTorch {torch.__version__}, {time.strftime('%F')}: "
          f"{rate / 1e12:.0f} TFLOP/s bf16, {bandwidth / 1e12:.2f} TB/s")
    print(f"{'model':16} {'pass':9} {'queries':>7} {'keys':>8} {'ms':>9} {'share':>6} {'of':>7} {'flash/ours':>10} {'cuDNN/ours':>10}")
    print("\n".join(sorted(lines)))
    if left_out:
        print(f"{left_out} rows left out: no time")


if __name__ == "__main__":
    main()
