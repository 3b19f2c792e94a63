# SPDX-License-Identifier: Apache-2.0
"""Random splits of random problems over several local ranks that share the GPU, with random strategies, compared with
PyTorch in float64. Exit code 1 if an error exceeds the bounds of the numeric contract."""

import argparse
import random
import sys
import threading
import traceback

import torch

from library import HEAD_ALL_TO_ALL, STRATEGIES, Rank, World
from problem import Problem, within_contract


def split(dice, rows, ranks):
    """(begin, end) of each rank's rows; some ranks have none."""
    cuts = sorted(dice.randint(0, rows) for _ in range(ranks - 1))
    return list(zip([0, *cuts], [*cuts, rows]))


def run(problem, queries, keys, strategy):
    failures = []

    def work(rank, world):
        try:
            with Rank(world, rank) as mine:
                shard = problem.shard(queries[rank], keys[rank])
                mine.forward(shard, strategy)
                mine.backward(shard, strategy)
                mine.synchronize()
        except Exception:  # reported by the main thread
            failures.append(f"rank {rank}: {traceback.format_exc()}")

    with World(len(queries)) as world:
        threads = [threading.Thread(target=work, args=(rank, world)) for rank in range(len(queries))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    torch.manual_seed(options.seed)
    failed = 0
    for number in range(options.problems):
        name = dice.choice(list(STRATEGIES))
        ranks = dice.choice((1, 2, 4) if STRATEGIES[name] == HEAD_ALL_TO_ALL else (1, 2, 3, 4, 5))
        key_heads = 4
        heads = key_heads * dice.choice((1, 2, 4))
        dim = dice.choice((64, 80, 96, 128, 256, 8 * dice.randint(1, 32)))
        sizes = (dice.randint(1, 2), dice.randint(1, 200), dice.randint(1, 1500), heads, key_heads, dim)
        dtype = dice.choice((torch.bfloat16, torch.float16, torch.float32, torch.float64))
        problem = Problem(sizes, dtype, masked=dice.random() < 0.5)
        queries, keys = split(dice, sizes[1], ranks), split(dice, sizes[2], ranks)
        failures = run(problem, queries, keys, STRATEGIES[name])
        errors = [] if failures else problem.errors(problem.results())
        if failures or not within_contract(errors, dtype):
            failed += 1
            print("FAILED", name, dtype, sizes, "queries", queries, "keys", keys, errors, *failures)
    print(f"{options.problems} problems, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
