"""Run every benchmark: `python -m benchmarks`."""

from benchmarks import client_cost, embedded_rate, fidelity, memory, server_bound

for benchmark in (fidelity, client_cost, server_bound, embedded_rate, memory):
    benchmark.main()
