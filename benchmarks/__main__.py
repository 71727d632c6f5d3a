"""Run every benchmark and bring the README up to date: `python -m benchmarks`."""

from benchmarks import (
    client_cost,
    embedded_rate,
    engines,
    fidelity,
    grouping,
    kills,
    memory,
    readme,
    refresh,
    server_bound,
    shuffle,
    token_counting,
    token_truth,
    two_workers,
)

for benchmark in (
    fidelity,
    client_cost,
    server_bound,
    embedded_rate,
    memory,
    shuffle,
    two_workers,
    engines,
    token_counting,
    grouping,
    token_truth,
    refresh,
    kills,
    readme,
):
    benchmark.main()
