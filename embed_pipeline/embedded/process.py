"""Run the embedded endpoint as a process of its own, for as long as this one lives.

The protocol: the child binds a free port on loopback, writes its URL as one line to stdout once it
answers, and ends when its stdin closes. So it ends with its parent, however that ends.
"""

import importlib.util
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from embed_pipeline.errors import ConfigError

NEEDED = ("onnx", "onnxruntime", "starlette", "tokenizers", "uvicorn")
START_SECONDS = 900.0  # the first start may download 90 MB
END_SECONDS = 10.0
TAIL = 4000  # bytes of the child's stderr that an error shows


class EmbeddedProcess:
    """Hold a running endpoint; a context manager.

    Attributes:
        url: Its base URL, such as "http://127.0.0.1:40123".
        pid: Its process id.
    """

    def __init__(self, child: subprocess.Popen[str], url: str, errors: IO[bytes]) -> None:
        self.url = url
        self.pid = child.pid
        self._child = child
        self._errors = errors

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ended(self, seconds: float) -> bool:
        """Wait so long for the process to end; tell whether it has."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)
        return self._child.returncode is not None

    def kill(self) -> None:
        """End the process at once; `close` is still to be called."""
        self._child.kill()

    def close(self) -> None:
        """End the process and wait for it; a second call does nothing."""
        _end(self._child)
        self._errors.close()

    def stderr_tail(self) -> str:
        """Return the end of what the process wrote to stderr; it writes no texts there."""
        return _tail(self._errors)


def start_embedded(
    environment: Mapping[str, str] | None = None, *, start_seconds: float = START_SECONDS
) -> EmbeddedProcess:
    """Start an endpoint on a free loopback port and wait until it answers.

    Args:
        environment: Variables to set for the process, such as EMBED_PIPELINE_WEIGHTS, on top of
            this process's own.
        start_seconds: How long it may take; the first start downloads the weights.

    Raises:
        ConfigError: The extra `embedded` is not installed, or the process did not come up; the
            message then ends with what it wrote to stderr.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the embedded endpoint needs {', '.join(missing)}, not installed here."
            " Run: pip install 'embed_pipeline[embedded]'"
        )
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
    # The child imports what this process would import, wherever that came from.
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "embed_pipeline.embedded"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**os.environ, **(environment or {}), "PYTHONPATH": path},
        # Ctrl-C is for the job: it ends first, in its own way, and the endpoint after it.
        start_new_session=True,
    )
    try:
        url = _first_line(child, start_seconds)
    except BaseException:
        _end(child)
        errors.close()
        raise
    if not url:
        status = child.wait()
        said = _tail(errors)
        _end(child)
        errors.close()
        raise ConfigError(
            f"the embedded endpoint did not start (exit status {status}). It said:\n{said}"
        )
    return EmbeddedProcess(child, url, errors)


def _first_line(child: subprocess.Popen[str], seconds: float) -> str:
    """Return the child's first line, or "" if it ended without one."""
    if child.stdout is None:  # not so with stdout=PIPE
        return ""
    ready, _, _ = select.select([child.stdout], [], [], seconds)
    if not ready:
        raise ConfigError(
            f"the embedded endpoint was not ready after {seconds:.0f} s. Run `embed-pipeline fetch`"
            " first, which downloads its weights, and try again."
        )
    return child.stdout.readline().strip()


def _end(child: subprocess.Popen[str]) -> None:
    if child.stdin and not child.stdin.closed:
        child.stdin.close()
    for stop in (child.terminate, child.kill, lambda: None):
        try:
            child.wait(END_SECONDS)
            break
        except subprocess.TimeoutExpired:
            stop()
    if child.stdout:
        child.stdout.close()


def _tail(errors: IO[bytes]) -> str:
    # pread, because seeking would move the place where the child writes.
    size = os.fstat(errors.fileno()).st_size
    tail = os.pread(errors.fileno(), TAIL, max(size - TAIL, 0))
    return tail.decode("utf-8", "replace").strip()
