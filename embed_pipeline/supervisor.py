"""Keep one endpoint on this machine: `python -m embed_pipeline.supervisor PORT SERVER SECONDS`.

Whoever binds the port on loopback serves; another one ends at once. The server itself listens
on a free port and is started anew when it dies or hangs. It ends with this process, and this
process when nobody has used it for so many seconds.
"""

import errno
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from embed_pipeline.embedded.process import start_embedded
from embed_pipeline.errors import ConfigError
from embed_pipeline.forwarding import Forwarder
from embed_pipeline.ollama_server import answers, start_ollama

TAKEN = 75  # exit status: somebody else has the port
BACKLOG = 1024  # connections that may wait to be accepted
TICK_SECONDS = 0.1
FAST_SECONDS = 10.0  # a server that dies sooner after its start may do so again
WAITS = (
    0.0,
    1.0,
    2.0,
    4.0,
    8.0,
    16.0,
    30.0,
)  # seconds after such deaths in a row; then it gives up


class Server(Protocol):
    """Be a server's process, as `start_ollama` and `start_embedded` return it."""

    url: str

    def ended(self, seconds: float) -> bool:
        """Wait so long for the process to end; tell whether it has."""

    def kill(self) -> None:
        """End the process at once."""

    def stderr_tail(self) -> str:
        """Return the end of what the process wrote."""


class Health(NamedTuple):
    """Say when a server counts as hanging: so many questions in a row without an answer.

    Attributes:
        every_s: Seconds between two questions for its version.
        answer_s: Seconds each may take.
        misses: Questions without an answer.
    """

    every_s: float = 10.0
    answer_s: float = 10.0
    misses: int = 4


Start = Callable[[], AbstractContextManager[Server]]
_STARTS: dict[str, Start] = {"embedded": start_embedded, "ollama": start_ollama}


def supervise(
    forwarder: Forwarder,
    start: Start,
    idle_seconds: float,
    health: Health | None = None,
    waits: Sequence[float] = WAITS,
) -> None:
    """Keep a server until it has been idle for long enough.

    Args:
        forwarder: Takes the connections; it listens no more at the end.
        start: Starts the server and waits until it answers.
        idle_seconds: How long no byte may have moved; a request under way is never cut off.
        health: When the server counts as hanging.
        waits: Seconds to wait after each of its deaths in a row that came soon after a start.

    Raises:
        ConfigError: It did not start, or died again and again.
    """
    died_fast, first = 0, True
    while True:
        began = time.monotonic()
        try:
            with start() as server:
                forwarder.forward_to(urlsplit(server.url).port)
                first = False
                if _idle_at_last(server, forwarder, idle_seconds, health or Health()):
                    return
                forwarder.forward_to(None)
                said = server.stderr_tail()
        except ConfigError as error:
            if first:
                raise
            said = str(error)
        died_fast = died_fast + 1 if time.monotonic() - began < FAST_SECONDS else 0
        if died_fast > len(waits):
            raise ConfigError(f"the server died {died_fast} times in a row. It said:\n{said}")
        if died_fast:
            time.sleep(waits[died_fast - 1])


def _idle_at_last(
    server: Server, forwarder: Forwarder, idle_seconds: float, health: Health
) -> bool:
    """Watch a server: return True once it was idle for so long, False when it died or hung."""
    missed, asked_at = 0, time.monotonic()
    while not server.ended(TICK_SECONDS):
        if forwarder.idle_seconds >= idle_seconds:
            forwarder.stop_listening()
            while forwarder.in_flight and not server.ended(TICK_SECONDS):
                pass  # somebody came in the last moment
            return True
        if time.monotonic() - asked_at >= health.every_s:
            missed = 0 if answers(server.url, health.answer_s) else missed + 1
            asked_at = time.monotonic()
            if missed >= health.misses:
                server.kill()
                return False
    return False


def listen(port: int) -> socket.socket | None:
    """Return a socket that listens on loopback; None where the port is taken.

    Raises:
        ConfigError: This user may not listen there.
    """
    try:
        return socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        raise ConfigError(
            f"cannot listen at 127.0.0.1:{port}: {error.strerror}; set endpoint.worker.port to "
            "another port"
        ) from error


def main(port: str, server: str, idle_seconds: str) -> int:
    """Supervise until the server is idle; return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # by way of what closes the server
    try:
        listener = listen(int(port))
        if listener is None:
            return TAKEN
        supervise(Forwarder(listener), _STARTS[server], float(idle_seconds))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
