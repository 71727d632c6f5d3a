"""Serve the embedded endpoint from this process until a signal ends it."""

import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import uvicorn
from starlette.types import ASGIApp

from embed_pipeline.embedded.app import KEEP_ALIVE, create_app
from embed_pipeline.embedded.model import prepare
from embed_pipeline.errors import ConfigError

BACKLOG = 2048  # connections that may wait to be accepted
GRACE = 5  # seconds a request may go on after a signal
CURES = {
    errno.EADDRINUSE: "The port is taken: choose another one, or stop what listens there.",
    errno.EACCES: "This user may not listen there: choose a port from 1024 up.",
}


class AnnouncingServer(uvicorn.Server):
    """Call a function once requests are accepted."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce it."""
        await super().startup(sockets)
        if self.started:
            self._announce()


def serve(host: str, port: int, keep_alive: float = KEEP_ALIVE) -> None:
    """Serve until SIGINT or SIGTERM, and print one line with the address once ready.

    Args:
        host: The address to listen at; loopback unless the endpoint is meant for other machines,
            because nothing protects it.
        port: The port; 0 for any free one, which the printed line names.
        keep_alive: Seconds an idle model stays loaded where no request said otherwise.

    Raises:
        ConfigError: The model's files are not here and cannot be fetched, or the address cannot be
            listened at.
    """
    with listen(host, port) as listener:
        model = prepare()
        url = url_of(listener)
        loopback = ip_address(listener.getsockname()[0]).is_loopback
        app = create_app(model, keep_alive=keep_alive, loopback=loopback)
        server = make_server(app, lambda: _say(f"serving all-minilm at {url}"))
        run(server, listener)


def serve_child() -> None:
    """Serve on a free loopback port as a child process: see `process.py` for the protocol.

    Raises:
        ConfigError: As for `serve`.
    """
    parent = os.getppid()
    model = prepare()
    with listen("127.0.0.1", 0) as listener:
        server = make_server(create_app(model), lambda: _say(url_of(listener)))
        threading.Thread(target=_end_with_parent, args=(server, parent), daemon=True).start()
        run(server, listener)


def make_server(app: ASGIApp, announce: Callable[[], None]) -> AnnouncingServer:
    """Make a server for the application; it logs errors, never requests."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=GRACE,
        server_header=False,
    )
    return AnnouncingServer(config, announce)


def run(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run the server; return when a signal or `should_exit` has ended it."""
    with _signals_end_quietly():
        server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        ConfigError: The address is unknown, taken, or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        cure = CURES.get(getattr(error, "errno", 0) or 0, "Check the host and the port.")
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot listen at {host}:{port}: {reason}. {cure}") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _end_with_parent(server: uvicorn.Server, parent: int) -> None:
    """End the server when the pipe from the parent closes, or the parent is gone.

    The second covers a pipe that a fork of the parent still holds.
    """
    ended = threading.Event()

    def read() -> None:
        while os.read(0, 1):
            pass
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    while not ended.wait(1.0) and os.getppid() == parent:
        pass
    server.should_exit = True


@contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """Let the server's own handlers end it, and nothing happen when it raises the signal again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
