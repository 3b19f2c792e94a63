# SPDX-License-Identifier: Apache-2.0
"""cuDNN as an attention backend of the CUDA device: compares results with PyTorch in float64 and prints the reason of each
unsupported call, then prints what AUTO chooses for a few shapes. Without cuDNN it prints SKIPPED."""

import contextlib
import ctypes
import sys

import torch

from library import ATTENTION_BACKEND_AUTO, ATTENTION_BACKEND_CUDNN, LIBRARY, MISSING_LIBRARY, UNSUPPORTED, LvxError, Rank, check
from problem import BOUNDS, Problem, within_contract


class AttentionBackendChoice(ctypes.Structure):
    _fields_ = [
        ("attention_backend", ctypes.c_int32),
        ("backward", ctypes.c_int32),
        ("dtype_code", ctypes.c_int32),
        ("dtype_bits", ctypes.c_int32),
        ("batch", ctypes.c_int64),
        ("queries", ctypes.c_int64),
        ("keys", ctypes.c_int64),
        ("query_heads", ctypes.c_int32),
        ("key_heads", ctypes.c_int32),
        ("head_dim", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("lvx_seconds", ctypes.c_double),
        ("cudnn_seconds", ctypes.c_double),
        ("reason", ctypes.c_char * 256),
    ]


def cudnn_version():
    """For instance 92400; None if cuDNN is not installed. Other errors are raised."""
    version = ctypes.c_uint64()
    status = LIBRARY.lvx_device_load_cudnn(ctypes.byref(version))
    if status == MISSING_LIBRARY:
        return None
    check(status)
    return version.value


def cudnn_rank(stream=None):
    """A context manager for a rank that computes with cuDNN; it gives None if cuDNN is not installed."""
    return Rank(stream=stream, attention_backend=ATTENTION_BACKEND_CUDNN) if cudnn_version() else contextlib.nullcontext()


def refusal(call):
    """Why cuDNN does not support the call; None if it does."""
    try:
        call()
        return None
    except LvxError as error:
        if error.status != UNSUPPORTED:
            raise
        return str(error)


def cudnn_call(rank, problem, kernel_pass):
    """A call to be timed; None if cuDNN is not installed or does not support it."""
    if rank is None:
        return None

    def call():
        rank.backward(problem) if kernel_pass == "backward" else rank.forward(problem)

    if refusal(lambda: rank.forward(problem)) or refusal(call):
        return None
    return call


def verify(rank):
    failed = 0
    shapes = [(1, 128, 640, 8, 2, 128), (2, 33, 301, 6, 3, 72), (1, 1, 4000, 8, 2, 128), (1, 130, 257, 4, 2, 80),
              (1, 64, 513, 4, 4, 256)]
    for dtype in (torch.bfloat16, torch.float16):
        for sizes in shapes:
            problem = Problem(sizes, dtype)
            rank.forward(problem)
            why = refusal(lambda: rank.backward(problem))
            rank.synchronize()
            errors = problem.errors(problem.results())
            if why:
                print("backward refused:", sizes, why)
                good = errors[0] <= BOUNDS[dtype][0] and errors[1] <= BOUNDS[dtype][2]
            else:
                good = within_contract(errors, dtype)
            if not good:
                failed += 1
                print("FAILED", dtype, sizes, errors)
        why = refusal(lambda: rank.forward(Problem(shapes[0], dtype, masked=True)))
        if why is None or "visibility" not in why:
            failed += 1
            print("FAILED: visibility was not refused:", why)
    print(f"cuDNN {cudnn_version()}: {failed} failed")
    return failed == 0


def choices(rank):
    for sizes in ((1, 2048, 16384, 32, 8, 128), (1, 256, 65536, 8, 8, 64), (1, 1, 65536, 32, 8, 128)):
        problem = Problem(sizes, torch.bfloat16)
        rank.forward(problem)
        rank.backward(problem)
    rank.synchronize()
    count = ctypes.c_uint64()
    check(LIBRARY.lvx_device_attention_backend_choices(rank.device, None, ctypes.c_uint64(0), ctypes.byref(count)))
    made = (AttentionBackendChoice * count.value)()
    check(LIBRARY.lvx_device_attention_backend_choices(rank.device, made, count, ctypes.byref(count)))
    for choice in made:
        print(f"AUTO {'backward' if choice.backward else 'forward':8} "
              f"{choice.queries}x{choice.keys} {choice.query_heads}/{choice.key_heads} heads of {choice.head_dim}: "
              f"{('LVX', 'cuDNN')[choice.attention_backend]} ({choice.reason.decode()}; LVX {choice.lvx_seconds * 1e3:.3f} ms, "
              f"cuDNN {choice.cudnn_seconds * 1e3:.3f} ms)")


def main():
    torch.manual_seed(0)
    if cudnn_version() is None:
        print("SKIPPED: cuDNN is not installed (pip: nvidia-cudnn-cu13; LVX_CUDNN_LIBRARY names the file)")
        return
    with cudnn_rank() as rank:
        good = verify(rank)
    with Rank(attention_backend=ATTENTION_BACKEND_AUTO) as rank:
        choices(rank)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
