"""Notice that a worker process has died: Beam's local runner then waits for ever.

Beam starts each process from a thread of its own, and that thread ends with an exception when the
process has ended with a code other than 0. Nobody but `threading.excepthook` hears of it.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

WORKER_THREAD = "run_worker"  # as Beam calls the threads that wait for its processes
READER_THREAD = "read_grpc_client_inputs"  # of a worker in this process
CODE = "exited with return code"


class WorkerWatch:
    """Hold what ended a worker process, once one has died.

    Attributes:
        died: What Beam tells of it, or None.
    """

    def __init__(self) -> None:
        self.died: str | None = None
        self.ending = False

    def hear(self, told: threading.ExceptHookArgs) -> bool:
        """Take an exception that ended a thread; tell whether it is a worker's death."""
        thread = told.thread.name if told.thread else ""
        if not thread.startswith(WORKER_THREAD) or CODE not in str(told.exc_value):
            return False
        if not self.ending and self.died is None:
            self.died = str(told.exc_value)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return True


def _hung_up(told: threading.ExceptHookArgs) -> bool:
    """Tell whether a worker in this process ended because its engine closed the connection.

    Flink does so after each stage. What it means is known by how the job ends.
    """
    thread = told.thread.name if told.thread else ""
    return thread.startswith((WORKER_THREAD, READER_THREAD)) and isinstance(
        told.exc_value, grpc.RpcError
    )


@contextmanager
def watching_workers() -> Iterator[WorkerWatch]:
    """Interrupt the main thread with SIGINT when a worker process dies, until the block ends.

    Outside the main thread, which alone can be interrupted, nothing is watched.
    """
    watch = WorkerWatch()
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    before = threading.excepthook

    def hook(told: threading.ExceptHookArgs) -> None:
        if not watch.hear(told) and not _hung_up(told):
            before(told)

    threading.excepthook = hook
    try:
        yield watch
    finally:
        watch.ending = True
        threading.excepthook = before
