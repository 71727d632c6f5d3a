"""A token server on loopback, in Google's place, and an endpoint that takes its tokens only.

It answers as the metadata server, the OAuth token endpoint and Secret Manager do, as far as a
worker asks them. Its tokens are JSON web tokens by their shape, and expire in seconds.
"""

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from embed_pipeline.google_tokens import API_VARIABLE
from tests.support.scripted import Reply, ScriptedEndpoint, error

EMAIL = "worker@project.iam.gserviceaccount.com"
ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default/"
SECRET = "projects/project/secrets/embed-token"


def _part(found: Mapping[str, Any] | bytes) -> str:
    raw = found if isinstance(found, bytes) else json.dumps(found).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class TokenServer:
    """Give tokens.

    Attributes:
        url: Where it listens.
        lifetime: Seconds an identity token is good for.
        issued: The identity tokens it has given, with audience and expiry.
        secrets: What versions of secrets hold, by name; "latest" is the last one.
        access: The access tokens it has given.
        asked: Each request: path and parameters.
        trouble: Answers some requests instead: given the path, it returns a Reply or None.
    """

    def __init__(self) -> None:
        self.lifetime = 3600
        self.issued: dict[str, tuple[str, float]] = {}
        self.secrets: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.trouble: Callable[[str], Reply | None] = lambda _: None
        self.access: list[str] = []
        self._listen(0)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _listen(self, port: int) -> None:
        handler = type("Handler", (_Handler,), {"tokens": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def go_down(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def come_back(self) -> None:
        """Listen at the same address again."""
        self._listen(self._server.server_port)

    def times(self, word: str) -> int:
        """Return how often a path with this word was asked for."""
        return sum(word in path for path, _ in self.asked)

    def takes(self, token: str, audience: str) -> bool:
        """Tell whether a token is one of this server's, for this audience, and not expired."""
        found = self.issued.get(token)
        return found is not None and found[0] == audience and time.time() < found[1]

    def environ(self) -> dict[str, str]:
        """Return the variables with which a process asks this server as the metadata server."""
        host = urlsplit(self.url).netloc
        return {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, API_VARIABLE: self.url}

    def key_file(self, path: Path) -> str:
        """Write the key of a service account, whose tokens this server gives; return the path."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        account = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "token_uri": f"{self.url}/token",
        }
        path.write_text(json.dumps(account))
        return str(path)

    def answer(self, path: str, given: dict[str, str], bearer: str) -> Reply:
        """Return the answer to one request."""
        self.asked.append((path, given))
        reply = self.trouble(path)
        if reply is not None:
            return reply
        path = path.replace(f"/{EMAIL}/", "/default/")
        if path.startswith("/v1/") and path.endswith(":access"):
            return self._secret(path.removeprefix("/v1/").removesuffix(":access"), bearer)
        answers: dict[str, Callable[[], Reply]] = {
            "/": lambda: _text("computeMetadata/"),
            "/computeMetadata/v1/project/project-id": lambda: _text("project"),
            "/token": lambda: _json(self._granted(given["assertion"])),
            ACCOUNT: lambda: _json({"email": EMAIL, "scopes": []}),
            f"{ACCOUNT}identity": lambda: _text(self._identity(given["audience"])),
            f"{ACCOUNT}token": lambda: _json(self._access()),
        }
        return answers.get(path, lambda: Reply(404, b"Not Found"))()

    def _granted(self, assertion: str) -> dict[str, Any]:
        claims = assertion.split(".")[1]
        claims += "=" * (-len(claims) % 4)
        audience = json.loads(base64.urlsafe_b64decode(claims)).get("target_audience")
        return self._access() if audience is None else {"id_token": self._identity(audience)}

    def _identity(self, audience: str) -> str:
        now = int(time.time())
        expiry = now + self.lifetime
        claims = {"iss": "https://accounts.google.com", "aud": audience, "sub": "1", "email": EMAIL}
        payload = _part(claims | {"iat": now, "exp": expiry})
        token = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{payload}.{_part(os.urandom(64))}"
        self.issued[token] = audience, expiry
        return token

    def _access(self) -> dict[str, Any]:
        self.access.append(f"ya29.{_part(os.urandom(24))}")
        return {"access_token": self.access[-1], "expires_in": 3599, "token_type": "Bearer"}

    def _secret(self, name: str, bearer: str) -> Reply:
        if bearer not in self.access:
            return _refusal(401, "UNAUTHENTICATED")
        secret = name.removesuffix("/versions/latest")
        versions = [one for one in self.secrets if one.startswith(f"{secret}/")]
        found = self.secrets.get(name) if secret == name else self.secrets[versions[-1]]
        if found is None:
            return _refusal(404, f"Secret Version [{name}] not found.")
        data = base64.b64encode(found.encode()).decode()
        return _json({"name": name, "payload": {"data": data}})


def _json(found: Mapping[str, Any]) -> Reply:
    return Reply(200, json.dumps(found).encode(), {"content-type": "application/json"})


def _text(found: str) -> Reply:
    return Reply(200, found.encode(), {"content-type": "text/html"})


def _refusal(status: int, text: str) -> Reply:
    return _json({"error": {"code": status, "message": text}})._replace(status=status)


class _Handler(BaseHTTPRequestHandler):
    """Answer as its token server says; metadata only to who asks for metadata."""

    tokens: TokenServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._reply(parts.path, parts.query)

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        self._reply(self.path, self.rfile.read(length).decode())

    def _reply(self, path: str, given: str) -> None:
        found = {name: values[0] for name, values in parse_qs(given).items()}
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        reply = self.tokens.answer(path, found, bearer)
        if path.startswith("/computeMetadata/") and self.headers.get("metadata-flavor") != "Google":
            reply = Reply(403, b"Missing Metadata-Flavor:Google header.")
        self.send_response(reply.status)
        for name, value in {"metadata-flavor": "Google", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class GuardedEndpoint(ScriptedEndpoint):
    """Answer like an endpoint, but only to who brings a token that is taken.

    Attributes:
        takes: Tells of a token whether it is taken.
        brought: The tokens of all requests, in order of arrival.
        refused: Those that were refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self.takes: Callable[[str], bool] = lambda _: False
        self.brought: list[str] = []
        self.refused: list[str] = []

    def answer(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        """Return the answer to one request."""
        token = headers.get("authorization", "").removeprefix("Bearer ")
        self.brought.append(token)
        if not self.takes(token):
            self.refused.append(token)
            return error(401, f"the token {token} is not taken")
        return super().answer(path, body, headers)


@contextmanager
def token_server() -> Iterator[TokenServer]:
    """Run a token server until the block ends."""
    server = TokenServer()
    try:
        yield server
    finally:
        server.go_down()


@contextmanager
def guarded() -> Iterator[GuardedEndpoint]:
    """Run a guarded endpoint until the block ends."""
    endpoint = GuardedEndpoint()
    try:
        yield endpoint
    finally:
        endpoint.close()


def asked_here(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process ask a token server as its metadata server.

    Google's library reads one of the variables when it is imported, so that is set there, too.
    """
    from google.auth.compute_engine import _metadata  # noqa: PLC0415

    environ = server.environ()
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", os.devnull)  # no credentials of whoever runs the tests
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", environ["GCE_METADATA_HOST"])
    for root in (_metadata._get_metadata_root, _metadata._get_metadata_ip_root):  # noqa: SLF001
        assert root(use_mtls=False).startswith(server.url)  # nobody else is ever asked
