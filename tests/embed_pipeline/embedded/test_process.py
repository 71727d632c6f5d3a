"""The endpoint as a child process: how it starts, and that it never outlives its parent."""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from embed_pipeline.embedded.process import start_embedded
from embed_pipeline.errors import ConfigError

PARENT = """
import sys, time
from embed_pipeline.embedded.process import start_embedded
child = start_embedded()
print(child.pid, child.url, flush=True)
sys.stdin.read()
"""


def await_end(pid: int) -> None:
    """Wait until a process that need not be our child has ended; the test's timeout bounds it."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            ready, _, _ = select.select([handle], [], [], 60)
        finally:
            os.close(handle)
        assert ready, f"process {pid} goes on"


def test_it_answers_once_started_and_ends_when_closed() -> None:
    with start_embedded() as process:
        assert process.url.startswith("http://127.0.0.1:")
        assert httpx.get(process.url).text == "Ollama is running"
    await_end(process.pid)
    with pytest.raises(httpx.ConnectError):
        httpx.get(process.url)
    process.close()  # once more is harmless


def test_killed_it_has_ended() -> None:
    with start_embedded() as process:
        assert not process.ended(0)
        process.kill()
        assert process.ended(30)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_when_its_parent_is_killed(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as parent:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        assert httpx.get(url).status_code == 200
        parent.send_signal(number)
        await_end(int(pid))


def test_a_child_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        start_embedded({"EMBED_PIPELINE_WEIGHTS": str(tmp_path)})
    message = str(caught.value)
    assert "did not start (exit status 2)" in message
    assert f"EMBED_PIPELINE_WEIGHTS={tmp_path}" in message
    assert "model.safetensors and tokenizer.json not found there" in message


def test_the_missing_extra_is_named() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-S",  # without any installed package
            "-c",
            "from embed_pipeline.embedded.process import start_embedded; start_embedded()",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert "needs onnx, onnxruntime, starlette, tokenizers, uvicorn" in done.stderr
    assert "pip install 'embed_pipeline[embedded]'" in done.stderr
