"""Processes that write, and whether they are still there."""

import os
import socket
import subprocess
import sys

from embed_pipeline.processes import is_alive, is_of_this_machine, this_process


def test_this_process_is_told_by_its_host_and_its_number() -> None:
    assert this_process() == {"host": socket.gethostname(), "pid": os.getpid()}


def test_another_living_process_of_this_machine_is_alive() -> None:
    assert is_alive({"host": socket.gethostname(), "pid": os.getppid(), "since": "today"})


def test_this_process_one_that_has_ended_and_one_that_is_not_told_are_not_alive() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = socket.gethostname()

    assert not is_alive({"host": host, "pid": os.getpid()})
    assert not is_alive({"host": host, "pid": ended.pid})
    assert not is_alive({})


def test_a_process_that_has_ended_but_was_not_waited_for_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        os.kill(zombie.pid, 0)  # it is listed

        assert not is_alive({"host": socket.gethostname(), "pid": zombie.pid})


def test_a_process_of_another_machine_cannot_be_looked_for() -> None:
    told = {"host": "elsewhere", "pid": os.getppid()}

    assert not is_of_this_machine(told)
    assert not is_alive(told)
