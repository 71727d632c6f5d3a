"""Run `ollama serve` as a process of this one, for as long as this one lives."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from embed_pipeline.errors import ConfigError

BINARY = "ollama"
START_SECONDS = 120.0
END_SECONDS = 10.0
POLL_SECONDS = 0.05
ANSWER_SECONDS = 10.0
TAIL_LINES = 20  # of what it says that an error shows

# Linux sends SIGTERM when the parent ends, however it ends. Set before the server is executed, in
# the process that becomes it; a parent that is gone by then is noticed.
_BECOME = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], [sys.argv[2], "serve"])
"""


class OllamaServer:
    """Hold a running server; a context manager.

    Attributes:
        url: Its base URL, on loopback.
        pid: Its process id.
    """

    def __init__(self, child: subprocess.Popen[bytes], url: str) -> None:
        self.url = url
        self.pid = child.pid
        self._child = child
        self._said: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def await_answer(self, deadline: float) -> None:
        """Wait until it answers.

        Args:
            deadline: Until when, by the monotonic clock.

        Raises:
            ConfigError: It has ended, or the time is over.
        """
        while not answers(self.url):
            if self.ended(POLL_SECONDS) or time.monotonic() > deadline:
                self.close()
                raise ConfigError(
                    f"`{BINARY} serve` did not come up (exit status {self._child.returncode}). "
                    f"It said:\n{self.stderr_tail()}"
                )

    def ended(self, seconds: float) -> bool:
        """Wait so long for the process to end; tell whether it has."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)
        return self._child.returncode is not None

    def kill(self) -> None:
        """End the process at once, and those it has started for its models."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process and wait for it; a second call does nothing."""
        if not self.ended(0):
            self._child.terminate()
            self.ended(END_SECONDS)
        self.kill()  # what it has left, too
        self._child.wait()
        self._reader.join(END_SECONDS)

    def stderr_tail(self) -> str:
        """Return the end of what the process wrote."""
        return b"".join(tuple(self._said)).decode("utf-8", "replace").strip()

    def _read(self) -> None:
        if self._child.stdout is not None:
            with self._child.stdout as lines:
                self._said.extend(lines)


def start_ollama(start_seconds: float = START_SECONDS) -> OllamaServer:
    """Start a server on a free loopback port and wait until it answers.

    Raises:
        ConfigError: There is no binary, or it did not come up; the message then ends with what it
            wrote.
    """
    binary = shutil.which(BINARY)
    if binary is None:
        raise ConfigError(f"there is no '{BINARY}' on PATH")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    child = subprocess.Popen(  # noqa: S603 (our own code, and the binary that was found)
        [sys.executable, "-S", "-c", _BECOME, str(os.getpid()), binary],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OLLAMA_HOST": host},
        start_new_session=True,  # a group of its own, with its models' processes
    )
    server = OllamaServer(child, f"http://{host}")
    try:
        server.await_answer(time.monotonic() + start_seconds)
    except BaseException:
        server.close()
        raise
    return server


def answers(url: str, seconds: float = ANSWER_SECONDS) -> bool:
    """Tell whether a server on loopback says its version in time."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    try:
        connection.request("GET", "/api/version")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
