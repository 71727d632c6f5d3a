"""What a process tells of its endpoints while it works for a run, from a thread of its own.

Progress is told as rows are written; while no request is answered there are none, and that is when
somebody who watches wants to know how the endpoints are.
"""

import os
import socket
import threading
from contextlib import suppress

from embed_pipeline import embedder, files
from embed_pipeline.health import tell
from embed_pipeline.progress import interval
from embed_pipeline.staging import Run

PROCESS = f"{socket.gethostname()}-{os.getpid()}"


class Heartbeat:
    """Tell how this process's endpoints are, every now and then, until it is stopped.

    What ends sooner costs a thread that sleeps, and writes nothing.

    Args:
        run: The run the process works for.
        seconds: Between two writings; None: what the run's folder bears.
    """

    def __init__(self, run: Run, seconds: float | None = None) -> None:
        self._run = run
        self._seconds = interval(run) if seconds is None else seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell nothing any more, from the moment this returns."""
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._seconds):
            with suppress(OSError):  # it is told next time
                tell_once(self._run, self._seconds)


def tell_once(run: Run, seconds: float) -> None:
    """Tell how this process's endpoints are, unless it has none, or the run is committed.

    Args:
        run: The run the process works for.
        seconds: Until it is told again.
    """
    health = embedder.health()
    if health.addresses and files.list_folder(run.staging):
        tell(run, PROCESS, health, seconds)


_beating: dict[str, tuple[Heartbeat, int]] = {}
_beating_lock = threading.Lock()


def start(run: Run) -> None:
    """Begin to tell, if this process does not yet; `stop` once for each call."""
    with _beating_lock:
        heartbeat, users = _beating.get(run.staging) or (Heartbeat(run), 0)
        _beating[run.staging] = (heartbeat, users + 1)


def stop(run: Run) -> None:
    """End it, once everybody has who began it."""
    with _beating_lock:
        heartbeat, users = _beating.pop(run.staging)
        if users > 1:
            _beating[run.staging] = (heartbeat, users - 1)
            return
    heartbeat.stop()
