# SPDX-License-Identifier: Apache-2.0
"""Ranks of an NCCL group on one GPU, one process each: compares every strategy with PyTorch in float64, then kills a rank.

Fails if a result exceeds the bounds of the numeric contract, or if a survivor does not get an error in time. Needs an NCCL that
accepts several ranks on a GPU (NCCL_MULTI_RANK_GPU_ENABLE=1); without NCCL it prints SKIPPED.
"""

import ctypes
import multiprocessing
import os
import sys
import time

import torch

from library import (TIMEOUT, LIBRARY, MISSING_LIBRARY, PEER_LOST, STRATEGIES, CudaOptions, LvxError, Rank,
                     check)
from problem import BOUNDS, Problem, error

GROUP_NCCL = 4
TIMEOUT_SECONDS = 15.0


class GroupOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint64),
        ("timeout_seconds", ctypes.c_double),
        ("ranks_per_node", ctypes.c_int32),
        ("recorder_entries", ctypes.c_int32),
        ("links", ctypes.c_double * 4),
        ("shared_inter", ctypes.c_int32),
        ("virtual_time", ctypes.c_int32),
    ]


class NcclRank(Rank):
    """Device and group of one rank; the parent process forwards the addresses."""

    def __init__(self, rank, size, pipe):
        self.device, self.group, bootstrap = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_uint64()
        options = CudaOptions(ctypes.sizeof(CudaOptions), 0, 0, 0, None)
        check(LIBRARY.lvx_device_open_cuda(ctypes.byref(options), ctypes.byref(self.device)))
        options = GroupOptions(ctypes.sizeof(GroupOptions), TIMEOUT_SECONDS, (size + 1) // 2)
        check(LIBRARY.lvx_nccl_begin(rank, size, b"127.0.0.1", ctypes.byref(options), ctypes.byref(bootstrap)))
        length = ctypes.c_uint64()
        check(LIBRARY.lvx_bootstrap_address(bootstrap, None, ctypes.c_uint64(0), ctypes.byref(length)))
        address = (ctypes.c_uint8 * length.value)()
        check(LIBRARY.lvx_bootstrap_address(bootstrap, address, length, ctypes.byref(length)))
        pipe.send(bytes(address))
        addresses = pipe.recv()
        check(LIBRARY.lvx_bootstrap_connect(bootstrap, self.device, addresses, ctypes.c_uint64(len(addresses)),
                                            ctypes.byref(self.group)))
        check(LIBRARY.lvx_bootstrap_close(bootstrap))


def shares(total, size):
    """(begin, end) of each rank. The shards are uneven on purpose; the first is the largest."""
    cuts = [total * i * (i + 1) // (size * (size + 1)) for i in range(size + 1)]
    return [(total - cuts[i + 1], total - cuts[i]) for i in reversed(range(size))]


def worst_error(rank, number, size, strategy, dtype, masked):
    """The largest error of this rank's results, as a fraction of its bound; every rank draws the whole problem from one seed."""
    torch.manual_seed(7)
    whole = Problem((2, 90, 700, 8, 4, 64), dtype, masked)
    queries, keys = shares(90, size)[number], shares(700, size)[number]
    part = whole.shard(queries, keys)
    rank.forward(part, strategy)
    rank.backward(part, strategy)
    rank.synchronize()
    o, lse, dq, dk, dv = whole.reference()
    rows, columns = slice(*queries), slice(*keys)
    expected = (o[:, rows], lse[:, :, rows], dq[:, rows], dk[:, columns], dv[:, columns])
    of_o, of_gradients, of_lse = BOUNDS[dtype]
    return max(error(x, y) / bound for x, y, bound in zip(
        (part.o, part.lse, part.dq, part.dk, part.dv), expected, (of_o, of_lse) + (of_gradients,) * 3))


def exact(number, size, pipe):
    with NcclRank(number, size, pipe) as rank:
        for name, strategy in STRATEGIES.items():
            for dtype in (torch.bfloat16, torch.float32):
                for masked in (False, True):
                    worst = worst_error(rank, number, size, strategy, dtype, masked)
                    pipe.send((name, str(dtype), masked, worst))
        pipe.send(None)


def bereaved(number, size, pipe):
    """The last rank dies after a few calls; the others report their error and how long it took."""
    rank = NcclRank(number, size, pipe)
    for turn in range(1000):
        if number == size - 1 and turn == 3:
            os._exit(9)
        begin = time.monotonic()
        try:
            worst_error(rank, number, size, STRATEGIES["QUERY_RING"], torch.bfloat16, False)
        except LvxError as failure:
            pipe.send((failure.status, str(failure), time.monotonic() - begin))
            pipe.send(None)
            rank.__exit__()
            return


def run(work, size):
    """What each rank sent after its address, in rank order; for a rank that died, what it sent before."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(size)]
    processes = [context.Process(target=work, args=(i, size, theirs)) for i, (_, theirs) in enumerate(pipes)]
    for process in processes:
        process.start()
    for _, theirs in pipes:
        theirs.close()
    addresses = b"".join(own.recv() for own, _ in pipes)
    for own, _ in pipes:
        own.send(addresses)
    said = []
    for own, _ in pipes:
        said.append([])
        try:
            while (word := own.recv()) is not None:
                said[-1].append(word)
        except EOFError:
            pass
    for process in processes:
        process.join()
    return said


def all_exact(size):
    said = run(exact, size)
    bad = [f"rank {i}: {word}" for i, words in enumerate(said) for word in words if not word[3] <= 1]
    bad += [f"rank {i}: {len(words)} results" for i, words in enumerate(said) if len(words) != 4 * len(STRATEGIES)]
    worst = max((word[3] for words in said for word in words), default=float("nan"))
    print(f"{size} ranks on one GPU: worst error {worst:.2f} of its bound", *(f"\nFAILED {x}" for x in bad))
    return not bad


def all_told(size):
    good = True
    for number, words in enumerate(run(bereaved, size)[:-1]):
        told = len(words) == 1 and words[0][0] in (PEER_LOST, TIMEOUT) and words[0][2] < TIMEOUT_SECONDS + 5
        good = good and told
        print(f"{'' if told else 'FAILED '}rank {size - 1} of {size} died; rank {number} was told: {words}")
    return good


def main():
    os.environ["NCCL_MULTI_RANK_GPU_ENABLE"] = "1"
    status = LIBRARY.lvx_group_load_backend(GROUP_NCCL)
    if status == MISSING_LIBRARY:
        print("SKIPPED: NCCL is not installed (pip: nvidia-nccl-cu13; LVX_NCCL_LIBRARY names the file)")
        return
    check(status)
    good = [all_exact(size) and all_told(size) for size in (2, 3, 4)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
