"""A proxy on loopback that passes requests on to an endpoint, and fails as a script says.

A script is a tuple of rules, `CUT_SHORT.at(3)` or `CRASHED.on("poison")`; the first that fits a
request wins. Requests are numbered from the first one on that holds a document's text.
"""

import contextlib
import http.client
import json
import random
import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from embed_pipeline.identity import FINGERPRINT_TEXTS

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}


class Request(NamedTuple):
    """Hold a request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """Hold an answer."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Asked:
    """Hold what came of one embed request.

    Attributes:
        number: Its place, from 1 for the first request that holds a document; 0 before that.
        texts: Its input; empty for a load-only request and one that was not read to its end.
        truncate: Whether the endpoint may cut.
        authorization: The header with the credentials.
        fault: The name of what was injected, or None.
        answer: What was answered; None where no whole answer was sent.
        good: Whether that was the endpoint's own good answer, as it is.
    """

    number: int
    texts: list[str]
    truncate: bool = False
    authorization: str = ""
    fault: str | None = None
    answer: Answer | None = None
    good: bool = False


class Incident:
    """Give a fault what it works with: the request, the connection, the endpoint behind."""

    def __init__(
        self, proxy: "FaultyProxy", connection: socket.socket, request: Request, asked: Asked
    ) -> None:
        self.proxy = proxy
        self.connection = connection
        self.request = request
        self.asked = asked

    def behind(self) -> Answer:
        """Return what the endpoint answers, by another model once it was replaced by one."""
        replaced = self.proxy.replaced  # a replacement does not answer what was asked before it
        answer = self.proxy.ask(self.request)
        if not replaced:
            return answer
        found = json.loads(answer.body)
        if "embeddings" in found:
            found["embeddings"] = [vector[::-1] for vector in found["embeddings"]]
        return answer._replace(body=json.dumps(found).encode())

    def send(self, answer: Answer, *, good: bool = False) -> None:
        """Send a whole answer."""
        self.asked.answer, self.asked.good = answer, good
        self.connection.sendall(head(answer, len(answer.body)) + answer.body)

    def reset(self) -> None:
        """Close the connection with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.connection.close()

    def wait_for_the_client_to_go(self, seconds: float | None = None) -> bool:
        """Wait until the client hangs up or the proxy closes; False: neither within `seconds`."""
        rounds = 1 if seconds is not None else 1 << 30
        for _ in range(rounds):
            ready, _, _ = select.select([self.connection], [], [], seconds or 0.05)
            if ready or self.proxy.closing.is_set():
                return True
        return False


Act = Callable[[Incident], None]


@dataclass(frozen=True)
class Fault:
    """One way an endpoint, or what is before it, fails.

    Attributes:
        name: What the tables call it.
        act: Does it to a request; afterwards the connection is closed.
        early: Whether it strikes before the request was read to its end; such a fault goes by
            number only.
    """

    name: str
    act: Act = field(compare=False)
    early: bool = False

    def at(self, *numbers: int) -> "Rule":
        """Strike at requests of these numbers."""
        return Rule(self, lambda asked: asked.number in numbers)

    def since(self, number: int) -> "Rule":
        """Strike from a request on, for ever."""
        return Rule(self, lambda asked: asked.number >= number)

    def on(self, *texts: str) -> "Rule":
        """Strike at each request whose input holds one of these texts."""
        return Rule(self, lambda asked: not set(texts).isdisjoint(asked.texts))

    def always(self) -> "Rule":
        """Strike at every embed request, those before the first document included."""
        return Rule(self, lambda _: True)

    def drawn(self, share: float, seed: int) -> "Rule":
        """Strike at a share of the numbered requests, at random."""

        def fits(asked: Asked) -> bool:
            return asked.number > 0 and random.Random(f"{seed} {asked.number}").random() < share

        return Rule(self, fits)


class Rule(NamedTuple):
    """Say when a fault strikes."""

    fault: Fault
    fits: Callable[[Asked], bool]


Script = tuple[Rule, ...]


def head(answer: Answer, length: int | None) -> bytes:
    """Return an answer's status line and headers; a body of no length ends with the connection."""
    lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, 'Odd')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines += [f"content-length: {length}"] if length is not None else ["connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_head(stream: BinaryIO) -> tuple[str, str, dict[str, str]] | None:
    """Read method, path and headers of a request; None where the client has gone."""
    first = stream.readline().split()
    if len(first) != 3:
        return None
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        headers[name.decode().lower()] = value.strip().decode()
    return first[0].decode(), first[1].decode(), headers


class FaultyProxy:
    """Listen before an endpoint and fail as a script says.

    Args:
        upstream: Address of the endpoint; may be changed while it runs.
        script: When to do what.
        documents: The texts whose first appearance begins the numbering; None: any text does.

    Attributes:
        url: Where it listens.
        asked: Every embed request, in order of arrival.
        pending: Faults for the next embed requests, whatever the script says.
        digest: Told instead of the model's own, where it is not None.
        replaced: Whether vectors are another model's: the endpoint's own, reversed.
        removed: Whether `/api/tags` lists no model.
        heard: The headers of every request, of any path.
        closing: Set when it is to end.
    """

    def __init__(
        self, upstream: str, script: Script = (), documents: Collection[str] | None = None
    ) -> None:
        self.upstream = upstream
        self.script = script
        self.asked: list[Asked] = []
        self.pending: deque[Fault] = deque()
        self.digest: str | None = None
        self.replaced = False
        self.lives = 0  # how often the server was started anew
        self.removed = False
        self.heard: list[dict[str, str]] = []
        self.closing = threading.Event()
        self._documents = documents
        self._number = 0
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._away = 0.0
        self._gone = threading.Event()
        self._listener = _bound(0)
        self._port = self._listener.getsockname()[1]
        self._listener.listen(128)
        self.url = f"http://127.0.0.1:{self._port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Stop listening, hang up, and wait for every thread."""
        self.closing.set()
        self._accepting.join()
        self._listener.close()
        with self._lock:
            left = dict(self._connections)
        for connection, thread in left.items():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def refuse(self, seconds: float) -> None:
        """Refuse connections for a while from now on; those that are open are reset."""
        with self._lock:
            self._away, gone = seconds, self._gone
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                    connection.shutdown(socket.SHUT_RD)
        gone.wait(10)

    def ask(self, request: Request) -> Answer:
        """Ask the endpoint behind, over a connection of its own."""
        parts = urlsplit(self.upstream)
        behind = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            kept = {k: v for k, v in request.headers.items() if k not in NOT_PASSED_ON}
            behind.request(request.method, request.path, request.body, kept)
            with behind.getresponse() as found:
                body = found.read()
                names = {name.lower(): value for name, value in found.getheaders()}
        finally:
            behind.close()
        names = {k: v for k, v in names.items() if k not in NOT_PASSED_ON | {"server", "date"}}
        return Answer(found.status, body, names)

    def _accept(self) -> None:
        while not self.closing.is_set():
            if self._away:
                self._refuse()
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _refuse(self) -> None:
        """Keep the port, but do not listen; only the thread that accepts can do so."""
        self._listener.close()
        self._listener = _bound(self._port)
        with self._lock:
            seconds, self._away = self._away, 0.0
            self._gone.set()
            self._gone = threading.Event()
        self.closing.wait(seconds)
        self._listener.listen(128)

    def _serve(self, connection: socket.socket) -> None:
        """Serve one connection until either side is done with it."""
        try:
            with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
                while not self.closing.is_set() and self._one(connection, stream):
                    pass
        finally:
            with self._lock:
                del self._connections[connection]

    def _one(self, connection: socket.socket, stream: BinaryIO) -> bool:
        """Serve one request; tell whether the connection is good for another."""
        begun = read_head(stream)
        if begun is None:
            return False
        self.heard.append(begun[2])
        length = int(begun[2].get("content-length", 0))
        embeds = begun[1].endswith("/api/embed")
        early = self._early() if embeds else None
        body = stream.read(length // 2 if early else length)
        if early is None and len(body) < length:
            return False  # the client has gone
        request = Request(*begun, body)
        if early is not None:
            early[0].act(Incident(self, connection, request, early[1]))
            return False
        if not embeds:
            connection.sendall(_whole(self._told(request)))
            return True
        return self._embedded(connection, request)

    def _embedded(self, connection: socket.socket, request: Request) -> bool:
        """Serve an embed request; tell whether the connection is good for another.

        What only looks which model there is passes, uncounted.
        """
        if json.loads(request.body).get("input") == list(FINGERPRINT_TEXTS):
            incident = Incident(self, connection, request, Asked(0, []))
            try:
                incident.send(incident.behind())
            except (OSError, http.client.HTTPException):
                incident.reset()
                return False
            return True
        asked, fault = self._numbered(request)
        incident, life = Incident(self, connection, request, asked), self.lives
        if fault is not None:
            asked.fault = fault.name
            fault.act(incident)
            return False
        try:
            answer = incident.behind()
        except (OSError, http.client.HTTPException):  # it has died: so does the connection
            incident.reset()
            return False
        if self.lives != life:
            incident.reset()
            return False
        incident.send(answer, good=answer.status == 200)
        return True

    def _early(self) -> tuple[Fault, Asked] | None:
        """Return the fault that strikes the next request before it is read, if one does."""
        with self._lock:
            if not self._number:
                return None
            asked = Asked(self._number + 1, [])
            if self.pending and self.pending[0].early:
                fault: Fault | None = self.pending.popleft()
            else:
                fits = (rule.fault for rule in self.script if rule.fault.early and rule.fits(asked))
                fault = next(fits, None)
            if fault is None:
                return None
            self._number += 1
            asked.fault = fault.name
            self.asked.append(asked)
            return fault, asked

    def _numbered(self, request: Request) -> tuple[Asked, Fault | None]:
        """Give an embed request its number and its fault."""
        fields = json.loads(request.body)
        texts = fields.get("input") or []
        known = self._documents
        with self._lock:
            about = known is None or any(text in known for text in texts)
            if self._number or (texts and about):
                self._number += 1
            asked = Asked(
                self._number,
                texts,
                fields.get("truncate", True),
                request.headers.get("authorization", ""),
            )
            self.asked.append(asked)
            if self.pending and texts and self._number:
                return asked, self.pending.popleft()
            fits = (rule.fault for rule in self.script if not rule.fault.early and rule.fits(asked))
            return asked, next(fits, None) if texts else None

    def _told(self, request: Request) -> Answer:
        """Return the answer to another path, its model swapped or removed where that is so."""
        try:
            answer = self.ask(request)
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionResetError from error
        if request.path.endswith("/api/tags") and (self.digest or self.removed):
            found: dict[str, Any] = json.loads(answer.body)
            for model in found["models"]:
                model["digest"] = self.digest or model["digest"]
            models = [] if self.removed else found["models"]
            return answer._replace(body=json.dumps({"models": models}).encode())
        return answer


def _whole(answer: Answer) -> bytes:
    return head(answer, len(answer.body)) + answer.body


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


@contextmanager
def faulty(
    upstream: str, script: Script = (), documents: Collection[str] | None = None
) -> Iterator[FaultyProxy]:
    """Run a proxy before an endpoint until the block ends."""
    proxy = FaultyProxy(upstream, script, documents)
    try:
        yield proxy
    finally:
        proxy.close()
