"""Which process writes, as files beside its work say it, and whether it is still there."""

import os
import socket
from collections.abc import Mapping
from typing import Any


def this_process() -> dict[str, Any]:
    """Return what tells this process from others: "host" and "pid"."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


def is_of_this_machine(told: Mapping[str, Any]) -> bool:
    """Tell whether a process, as `this_process` tells it, is of this machine."""
    return told.get("host") == socket.gethostname() and isinstance(told.get("pid"), int)


def is_alive(told: Mapping[str, Any]) -> bool:
    """Tell whether a process is there, as far as can be told: another one of this machine.

    Our own number is of one before us: in containers they are the same again.

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
        return True
    return True
