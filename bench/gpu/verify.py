# SPDX-License-Identifier: Apache-2.0
"""Compares forward and backward on the GPU with PyTorch in float64 on the rounded inputs, and checks that the same call gives
the same bits. Exit code 1 if an error exceeds the bounds of the numeric contract or bits differ."""

import argparse
import sys

import torch

from library import Rank
from problem import BOUNDS, Problem, within_contract

FEW = [(1, 5, 67, 2, 1, 64), (2, 33, 300, 8, 2, 128), (1, 1, 4000, 8, 2, 128), (1, 130, 257, 4, 2, 80)]
MORE = [(2, 17, 513, 6, 2, dim) for dim in (8, 24, 64, 80, 96, 128, 200, 256)]
MORE += [(1, 300, 2500, 8, 2, 128), (1, 2, 20000, 8, 1, 64), (1, 1, 1, 1, 1, 16)]


def verify(rank, problem, dtype):
    """Errors of o, lse, dq, dk, dv, and whether a second call gave the same bits."""
    rank.forward(problem)
    rank.backward(problem)
    rank.synchronize()
    first = problem.results()
    rank.forward(problem)
    rank.backward(problem)
    rank.synchronize()
    same = all(torch.equal(x, y) for x, y in zip(first, problem.results()))
    return problem.errors(first), same


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", action="store_true", help="a few shapes in half precision, for compute-sanitizer")
    few = parser.parse_args().few
    torch.manual_seed(0)
    cases = failed = 0
    with Rank() as rank:
        for dtype in (torch.bfloat16, torch.float16) if few else BOUNDS:
            for sizes in FEW if few else FEW + MORE:
                for masked in (False, True):
                    errors, same = verify(rank, Problem(sizes, dtype, masked), dtype)
                    cases += 1
                    if not (within_contract(errors, dtype) and same):
                        failed += 1
                        print("FAILED", dtype, sizes, "masked" if masked else "", errors, "" if same else "other bits")
    print(f"{cases} cases, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
