"""Ports that tests name before they are bound: nobody else gets them meanwhile."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.ports import free_port, ports

ROOT = Path(__file__).parents[1]
TAKES_THE_SAME = """
import socket
from tests.support import ports
with socket.create_server(("127.0.0.1", 0)) as system:
    assert system.getsockname()[1] >= 32_000
first = ports.free_port()
ports._left = iter([first, first + 1])
with socket.create_server(("127.0.0.1", first)):
    assert ports.free_port() == first + 1
"""


def test_test_processes_have_no_port_in_common() -> None:
    found = [port for worker in ("", "gw0", "gw1", "gw2", "gw3") for port in ports(worker)]
    assert len({*found}) == len(found)
    assert (min(found), max(found)) == (12_000, 16_999)


def test_no_port_is_named_twice() -> None:
    found = [free_port() for _ in range(20)]
    assert len({*found}) == 20
    assert {*found} <= {*ports(os.environ.get("PYTEST_XDIST_WORKER", ""))}


def test_a_port_somebody_listens_at_is_left_out() -> None:
    subprocess.run([sys.executable, "-c", TAKES_THE_SAME], cwd=ROOT, check=True)
