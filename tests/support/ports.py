"""Ports that are named before they are bound, such as those of servers that tests start.

The system gives its own, above these, to whoever binds port 0 or connects; so nobody gets one of
these in the meantime.
"""

import os
import socket
from collections.abc import Iterator

FIRST = 12_000  # above 11434, where an endpoint is looked for that no test has named
EACH = 1_000  # ports of a test process
PROCESSES = 20  # that have ports of their own, all below 32768, where the system's begin


def free_port() -> int:
    """Return a port on loopback that nobody listens at, and that was not returned before."""
    for port in _left:
        with socket.socket() as found:
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("every port of this test process was given")


def ports(worker: str) -> range:
    """Return the ports of a test process, by its name at pytest-xdist, such as gw3."""
    number = int(worker.removeprefix("gw")) + 1 if worker.startswith("gw") else 0
    first = FIRST + number % PROCESSES * EACH
    return range(first, first + EACH)


def _own() -> Iterator[int]:
    """Return this process' ports; another test run on the machine begins at other ones."""
    own = ports(os.environ.get("PYTEST_XDIST_WORKER", ""))
    begin = os.getpid() * 7 % EACH
    return iter([*own[begin:], *own[:begin]])


_left = _own()
