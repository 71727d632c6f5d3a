"""Pass connections on to a server that may be started anew, and know when it is needed no more."""

import selectors
import socket
import threading
import time
from contextlib import suppress

HOLD_SECONDS = 20.0  # a connection waits for a server that is starting, before it is told to wait
NOTICE_SECONDS = 0.2  # until the listening thread notices that it is to end
DRAIN_SECONDS = 5.0  # a client that was told to wait may take to hang up
CHUNK = 1 << 16
STARTING = b'{"error":"the endpoint on this machine is starting"}'
TELLING = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(STARTING), STARTING)
)


class Forwarder:
    """Pass what comes to a listening socket on to a server, byte for byte, in threads.

    While there is no server, connections wait for it, `hold_seconds` at most; then they are
    answered with status 503.

    Args:
        listener: A socket that listens; it is closed by `stop_listening`.
        hold_seconds: How long a connection waits for a server.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, listener: socket.socket, hold_seconds: float = HOLD_SECONDS) -> None:
        listener.settimeout(NOTICE_SECONDS)
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        self._hold_seconds = hold_seconds
        self._stopped = threading.Event()
        self._there = threading.Event()
        self._server = ("127.0.0.1", 0)
        self._lock = threading.Lock()
        self._asking: set[socket.socket] = set()
        self._moved_at = time.monotonic()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def forward_to(self, port: int | None) -> None:
        """Name the server: its port on loopback; None: there is none."""
        if port is None:
            self._there.clear()
        else:
            self._server = ("127.0.0.1", port)
            self._there.set()

    @property
    def in_flight(self) -> int:
        """Return how many connections wait for an answer."""
        with self._lock:
            return len(self._asking)

    @property
    def idle_seconds(self) -> float:
        """Return for how long no byte has moved; 0.0 while anybody waits for an answer.

        A connection that is only kept open for later requests is no use of the server.
        """
        with self._lock:
            return 0.0 if self._asking else time.monotonic() - self._moved_at

    def stop_listening(self) -> None:
        """Take no more connections; those that are open go on. A second call does nothing."""
        self._stopped.set()
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:  # too many open files, for a moment
                self._stopped.wait(NOTICE_SECONDS)
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Pass one connection on until either side ends it."""
        with client, suppress(OSError):
            self._note(client, asks=False)
            try:
                server = self._connected()
                if server is None:
                    _tell_to_wait(client)
                    return
                with server:
                    self._exchange(client, server)
            finally:
                self._note(client, asks=False)

    def _connected(self) -> socket.socket | None:
        """Return a connection to the server; None where none came in time."""
        deadline = time.monotonic() + self._hold_seconds
        while self._there.wait(max(0.0, deadline - time.monotonic())):
            try:
                return socket.create_connection(self._server)
            except OSError:  # it has just died
                if time.monotonic() > deadline or self._stopped.wait(NOTICE_SECONDS):
                    break
        return None

    def _exchange(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        with selectors.DefaultSelector() as selector:
            for one in other:
                # A request is written in pieces; none of them is to wait for an acknowledgment.
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(one, selectors.EVENT_READ, one)
            while True:
                for key, _ in selector.select():
                    sender: socket.socket = key.data
                    data = sender.recv(CHUNK)
                    if not data:
                        return
                    self._note(client, asks=sender is client)
                    other[sender].sendall(data)

    def _note(self, client: socket.socket, *, asks: bool) -> None:
        """Note that bytes of a connection have moved, and whether it waits for an answer now."""
        with self._lock:
            self._moved_at = time.monotonic()
            if asks:
                self._asking.add(client)
            else:
                self._asking.discard(client)


def _tell_to_wait(client: socket.socket) -> None:
    """Answer 503; read what the client still sends, as a reset would cost it the answer."""
    client.sendall(TELLING)
    client.shutdown(socket.SHUT_WR)
    client.settimeout(DRAIN_SECONDS)
    while client.recv(CHUNK):
        pass
