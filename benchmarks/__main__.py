"""Run benchmarks, and bring the README and docs/benchmarks.md up to date.

    python -m benchmarks                             all of them
    python -m benchmarks client_cost report_cost     these

Each is a process of its own, which is ended after its minutes; those that fail are told at the end,
and the others go on.
"""

import argparse
import os
import signal
import subprocess
import sys
import time

from benchmarks import readme

# Minutes each may take, two to three times what is expected on two cores.
MINUTES = {
    "fidelity": 2,
    "client_cost": 15,
    "server_bound": 6,
    "embedded_rate": 10,
    "memory": 10,
    "shuffle": 6,
    "two_workers": 20,
    "engines": 75,
    "token_counting": 6,
    "grouping": 15,
    "token_truth": 15,
    "refresh": 35,
    "kills": 15,
    "report_cost": 20,
    "first_vector": 30,
    "soak": 30,
}


def ran(name: str, minutes: float) -> bool:
    """Run one benchmark; tell whether it came to its end."""
    print(f"{name}: at most {minutes} minutes", flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            code = process.wait(timeout=60 * minutes)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # with what it has started
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            code = None
    ended = "its time was up" if code is None else f"exit code {code}"
    print(f"{name}: {time.monotonic() - began:,.0f} s, {ended}", flush=True)
    return code == 0


def main(names: list[str]) -> int:
    """Run the benchmarks named, or all; return the exit code."""
    failed = [name for name in names or MINUTES if not ran(name, MINUTES[name])]
    readme.main()
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Run benchmarks; without a name, all of them.")
    arguments.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MINUTES))
    asked = arguments.parse_args()
    if unknown := set(asked.names) - set(MINUTES):
        arguments.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    sys.exit(main(asked.names))
