"""What this process and all below it have used, as Linux tells it in /proc."""

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
INTERVAL = 0.1  # seconds between two looks at the memory
JVM = "JVM"


class Process(NamedTuple):
    """Hold what /proc tells of a process.

    Attributes:
        pid, parent: Process ids.
        name: "java", "python", "prism" ...
        cpu_s: CPU seconds of it and of its children that have ended.
    """

    pid: int
    parent: int
    name: str
    cpu_s: float


def below(root: int, without: Collection[int] = ()) -> list[Process]:
    """Return a process and all below it.

    Args:
        root: Its id.
        without: Ids of processes to leave out, with all below them.
    """
    children: dict[int, list[Process]] = {}
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (process := _read(int(folder.name))) is not None:
            children.setdefault(process.parent, []).append(process)
            if process.pid == root:
                found.append(process)
    for process in found:  # it grows meanwhile
        found += [one for one in children.get(process.pid, []) if one.pid not in without]
    return found


def cpu_seconds(without: Collection[int] = ()) -> float:
    """Return the CPU time used so far by this process and all below it, ended ones included."""
    return sum(process.cpu_s for process in below(os.getpid(), without))


@contextmanager
def watching_memory(without: Collection[int] = ()) -> Iterator[dict[str, float]]:
    """Fill a dict, until the block ends, with the peak of resident memory in MB by kind of process.

    The peaks of the processes of one kind that live at the same time are added.
    """
    peaks: dict[str, float] = {}
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(peaks, ended, without), daemon=True)
    watch.start()
    try:
        yield peaks
    finally:
        ended.set()
        watch.join()


def _watch(peaks: dict[str, float], ended: threading.Event, without: Collection[int]) -> None:
    while not ended.wait(INTERVAL):
        now: dict[str, float] = {}
        for process in below(os.getpid(), {*without})[1:]:  # not this one, which only measures
            now[process.name] = now.get(process.name, 0.0) + _peak_mb(process.pid)
        for name, found in now.items():
            peaks[name] = max(peaks.get(name, 0.0), found)


def _read(pid: int) -> Process | None:
    try:
        before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:  # it has ended
        return None
    fields = after.split()
    name = before.partition("(")[2]
    cpu = sum(int(fields[place]) for place in (11, 12, 13, 14)) / TICKS
    return Process(pid, int(fields[1]), JVM if name == "java" else name.rstrip("0123456789."), cpu)


def _peak_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0][1]) / 1024 if lines else 0.0
