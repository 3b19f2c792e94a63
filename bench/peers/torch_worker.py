# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of the comparison: answers the requests that org.lvxattn.bench.duel.KernelWorker
documents, except gemm, read and bytes, which only the other side gets, and also `version`.
Its one argument is the number of threads. Layout here is PyTorch's: [batch, heads, sequence, headDim].
"""

import sys
import time

import torch
from torch.nn.functional import scaled_dot_product_attention


class Job:
    """One attention, ready to be called."""

    def __init__(self, sizes, kernel_pass, dtype):
        batch, queries, keys, heads, key_heads, head_dim = map(int, sizes.split(","))
        backward = kernel_pass == "backward"

        def noise(count, length):
            return torch.randn(batch, count, length, head_dim).to(getattr(torch, dtype))

        q, k, v = noise(heads, queries), noise(key_heads, keys), noise(key_heads, keys)
        grouped = heads != key_heads

        def forward():
            return scaled_dot_product_attention(q, k, v, enable_gqa=grouped)

        if backward:
            for tensor in (q, k, v):
                tensor.requires_grad_()
            output = forward()
            gradient = torch.randn_like(output)
            self.call = lambda: torch.autograd.grad(output, (q, k, v), gradient, retain_graph=True)
        else:
            self.call = torch.no_grad()(forward)
        self.call()


def run(job, calls):
    begin = time.perf_counter()
    for _ in range(calls):
        job.call()
    return (time.perf_counter() - begin) / calls


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(0)
    job = None
    for line in sys.stdin:
        request = line.split()
        try:
            if request[0] == "prepare":
                job = None  # free its memory before the next job allocates
                job = Job(*request[1:])
                answer = "ok"
            elif request[0] == "run":
                answer = run(job, int(request[1]))
            elif request[0] == "version":
                answer = torch.__version__
            else:
                raise ValueError(f"unknown request {request[0]}")
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            answer = "error " + str(error).replace("\n", " ")
        print(answer, flush=True)


if __name__ == "__main__":
    main()
