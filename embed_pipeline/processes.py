"""Which process writes, as files beside its work say it, and whether it is still there."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Return what tells this process from others: "host" and "pid"."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


def is_of_this_machine(told: Mapping[str, Any]) -> bool:
    """Tell whether a process, as `this_process` tells it, is of this machine."""
    return told.get("host") == socket.gethostname() and isinstance(told.get("pid"), int)


def is_alive(told: Mapping[str, Any]) -> bool:
    """Tell whether a process is there, as far as can be told: another one of this machine.

    Our own number is of one before us: in containers they are the same again. One that has ended
    and whose parent has not asked for its exit code yet, a zombie, is not there.

    Args:
        told: What `this_process` told there, among others.
    """
    if not is_of_this_machine(told) or told["pid"] == os.getpid():
        return False
    try:
        os.kill(told["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return not _has_ended(told["pid"])


def _has_ended(pid: int) -> bool:
    """Tell whether the kernel lists a process as a zombie or dead; where it lists none, no."""
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # not Linux, or gone this moment
        return False
    return told.rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])
