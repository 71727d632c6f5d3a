"""Run every benchmark and bring the README up to date: `python -m benchmarks`."""

from benchmarks import client_cost, embedded_rate, fidelity, memory, readme, server_bound

for benchmark in (fidelity, client_cost, server_bound, embedded_rate, memory, readme):
    benchmark.main()
