"""Make sure that this machine has an endpoint with the model: `endpoint.url: worker`."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import orjson

from embed_pipeline import errors, interrupt
from embed_pipeline.endpoint import EMBEDDED, Endpoint
from embed_pipeline.model_names import entry_of, is_embedded
from embed_pipeline.ollama_server import BINARY
from embed_pipeline.supervisor import TAKEN
from embed_pipeline.transport import Transport

START_SECONDS = 900.0  # the first start may fetch the embedded endpoint's weights
PULL_SECONDS = 3600.0  # for a model of some gigabytes
ANSWER_SECONDS = 30.0  # longer than a supervisor lets a connection wait for its server
POLL_SECONDS = 0.05
STRANGE = 5  # questions in a row that whoever listens leaves without an answer
LOST_RACES = 8  # starts that found the port taken while nobody answered there
SMALL_BODY = 1 << 20  # bytes an answer may have
TAIL = 4000  # bytes of what a supervisor wrote that an error shows

_one_at_a_time = threading.Lock()
_started: list[subprocess.Popen[bytes]] = []  # so that those that have ended are waited for


def ensure(endpoint: Endpoint, start_seconds: float = START_SECONDS) -> None:
    """Return once an endpoint with the model answers on this machine; start it where none does.

    It goes on after this process, until it has been idle for `endpoint.worker.idle_minutes`.

    Args:
        endpoint: With `worker` as its url.
        start_seconds: How long a start may take.

    Raises:
        ConfigError: It cannot be started, the port is another service's, or the model cannot be
            had.
        EndpointError: It was there, but went away before it had the model.
        InterruptedJobError: A stop was asked for.
    """
    direct = Endpoint(url=endpoint.address, model=endpoint.model)
    with _one_at_a_time, ExitStack() as stack:
        transport = stack.enter_context(closing(Transport(direct)))
        search = stack.enter_context(closing(_Search(endpoint, transport)))
        deadline = time.monotonic() + start_seconds
        while not search.found():
            if time.monotonic() > deadline:
                raise errors.ConfigError(
                    f"the endpoint on this machine was not ready after {start_seconds:.0f} s"
                )
            if interrupt.wait(POLL_SECONDS):
                raise errors.InterruptedJobError("stopped while waiting for the endpoint")
        _await_model(endpoint, transport)


def server_kind(endpoint: Endpoint) -> str:
    """Return which server to start here: "ollama" or "embedded".

    Raises:
        ConfigError: There is none here that could have the model.
    """
    wanted = endpoint.worker.server
    has_binary = shutil.which(BINARY) is not None
    if wanted != EMBEDDED and has_binary:
        return BINARY
    embeddable = is_embedded(endpoint.model)
    if wanted != BINARY and embeddable:
        return EMBEDDED
    missing = [
        *(() if wanted == EMBEDDED else (f"there is no '{BINARY}' on PATH",)),
        *(() if embeddable or wanted == BINARY else (_ONLY.format(endpoint.model),)),
    ]
    raise errors.ConfigError(
        f"endpoint.url is 'worker', but this machine has no server for it: {', and '.join(missing)}"
        f"; put {BINARY} into the workers' image, or correct endpoint.worker.server"
    )


_ONLY = "the embedded endpoint serves all-minilm only, not '{}'"


class _Search:
    """Ask for the version until there is an answer; start a supervisor where nobody listens."""

    def __init__(self, endpoint: Endpoint, transport: Transport) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._supervisor: _Supervisor | None = None
        self._strange = 0
        self._lost_races = 0

    def close(self) -> None:
        """Let the supervisor alone."""
        if self._supervisor is not None:
            self._supervisor.close()

    def found(self) -> bool:
        """Ask once; tell whether an endpoint answers.

        Raises:
            ConfigError: There can be none.
        """
        try:
            _object(self._transport, "GET", "/api/version", None, ANSWER_SECONDS)["version"]
        except errors.ConnectionFailed:
            self._see_to_supervisor()
        except (errors.ConnectionLost, errors.RequestTimedOut) as error:
            self._strange += 1
            if self._strange >= STRANGE:
                raise _foreign(self._endpoint, error) from error
        except errors.Overloaded:  # a supervisor whose server is starting
            self._strange = 0
        except (errors.EndpointError, LookupError) as error:
            raise _foreign(self._endpoint, error) from error
        else:
            return True
        return False

    def _see_to_supervisor(self) -> None:
        """Start a supervisor, or look whether the one that was started has ended."""
        if self._supervisor is None:
            self._supervisor = _Supervisor(self._endpoint)
        elif self._supervisor.has_ended():  # perhaps somebody else was faster
            self._supervisor.close()
            self._supervisor = None
            self._lost_races += 1
            if self._lost_races >= LOST_RACES:
                raise _foreign(self._endpoint, "it takes no connections")


class _Supervisor:
    """Start a supervisor in a session of its own, which goes on when this process ends.

    It has none of this process's pipes: whoever waits for their end would wait for it.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        worker = endpoint.worker
        arguments = [str(worker.port), server_kind(endpoint), str(worker.idle_minutes * 60)]
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (read when the process has ended)
        self._process = subprocess.Popen(  # noqa: S603 (our own module)
            [sys.executable, "-P", "-m", "embed_pipeline.supervisor", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        _started[:] = [one for one in _started if one.poll() is None] + [self._process]

    def close(self) -> None:
        """Let it alone: what it says from now on is of no use to anybody."""
        self._said.close()

    def has_ended(self) -> bool:
        """Tell whether it has ended because somebody else has the port, or because it was idle.

        Raises:
            ConfigError: It could not serve.
        """
        status = self._process.poll()
        if status is None:
            return False
        if status in (0, TAKEN):
            return True
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - TAIL))
        tail = self._said.read().decode("utf-8", "replace").strip()
        raise errors.ConfigError(
            f"the endpoint on this machine did not start (exit status {status}): {tail}"
        )


def _await_model(endpoint: Endpoint, transport: Transport) -> None:
    """Have the model pulled where the endpoint lacks it; many may ask for that at once."""
    listed = _object(transport, "GET", "/api/tags", None, ANSWER_SECONDS)
    if entry_of(listed, endpoint.model):
        return
    body = orjson.dumps({"model": endpoint.model, "stream": False})
    try:
        _object(transport, "POST", "/api/pull", body, PULL_SECONDS)
    except (errors.ConnectionFailed, errors.ConnectionLost):
        raise
    except errors.EndpointError as error:
        raise errors.ConfigError(
            f"the endpoint at port {endpoint.worker.port} of this machine has no model "
            f"'{endpoint.model}' and cannot get it: {error}; put the model into the workers' "
            "image, or, if another job's endpoint is there, give this job another "
            "endpoint.worker.port"
        ) from error


def _object(
    transport: Transport, method: str, path: str, body: bytes | None, seconds: float
) -> dict[str, Any]:
    """Return the JSON object that answers a request; anything else is a NotAnEndpoint."""
    found = transport.exchange(method, path, body, seconds, SMALL_BODY)
    try:
        answer = orjson.loads(found)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise errors.NotAnEndpoint(f"{transport.request(path, method)}: no JSON object came", 200)
    return answer


def _foreign(endpoint: Endpoint, why: object) -> errors.ConfigError:
    return errors.ConfigError(
        f"port {endpoint.worker.port} of this machine is taken, but not by an endpoint ({why}): "
        "set endpoint.worker.port to a free one"
    )
