"""The lock of a store: held by real processes, one of which is killed."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from embed_pipeline.errors import RefusedError
from embed_pipeline.store_lock import LOCK, locked

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from embed_pipeline.store_lock import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
# A child that outlives its parent, by a fork or as another program, and tells its own number.
FORK = """
import os, sys
from embed_pipeline.store_lock import locked
with locked(sys.argv[1]):
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        sys.stdin.read()
        os._exit(0)
    os.read(0, 1)
"""
START = """
import subprocess, sys
from embed_pipeline.store_lock import locked
with locked(sys.argv[1]):
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    print(child.pid, flush=True)
    sys.stdin.read()
"""
FORK_LEAVES = """
import os, sys
from embed_pipeline.store_lock import locked
with locked(sys.argv[1]):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
if child == 0:
    os._exit(0)
print("left", flush=True)
"""


@contextmanager
def process(code: str, store: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run code with a store's path as its argument; it is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(store)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def said(started: "subprocess.Popen[str]") -> str:
    assert started.stdout is not None
    return started.stdout.readline().strip()


def take(store: Path) -> None:
    with locked(str(store)):
        pass


def test_a_store_in_use_is_refused_and_its_holder_is_named(tmp_path: Path) -> None:
    with process(HOLD, tmp_path) as holder:
        assert said(holder) == "held"
        told = orjson.loads((tmp_path / LOCK).read_bytes())
        with pytest.raises(RefusedError) as caught:
            take(tmp_path)
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        f"{tmp_path} is in use: process {holder.pid} on {told['host']}, since {told['since']}, is "
        "at work there; wait for its end, or stop it, and start this again. Nothing need be "
        "deleted: the lock ends with that process"
    )


def test_a_process_that_is_killed_holds_nothing_any_more(tmp_path: Path) -> None:
    with process(HOLD, tmp_path) as holder:
        assert said(holder) == "held"
        holder.send_signal(signal.SIGKILL)
        holder.wait(60)
        take(tmp_path)


def test_who_holds_it_next_is_named_in_place_of_who_held_it_before(tmp_path: Path) -> None:
    take(tmp_path)
    with process(HOLD, tmp_path) as holder:
        assert said(holder) == "held"
        with pytest.raises(RefusedError, match=f"process {holder.pid} on"):
            take(tmp_path)


def test_the_lock_is_free_at_the_end_also_where_that_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(str(tmp_path)):
        raise KeyError
    take(tmp_path)


def test_one_process_does_not_hold_it_twice(tmp_path: Path) -> None:
    with (
        locked(str(tmp_path)),
        pytest.raises(RefusedError, match=f"process {os.getpid()} on"),
        locked(str(tmp_path)),
    ):
        pass
    take(tmp_path)


@pytest.mark.parametrize("code", [FORK, START], ids=["a fork", "another program"])
def test_a_child_that_outlives_its_parent_does_not_hold_it_on(tmp_path: Path, code: str) -> None:
    with process(code, tmp_path) as parent:
        child = int(said(parent))
        try:
            parent.send_signal(signal.SIGKILL)
            os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)
            os.kill(child, 0)  # it is there yet
            take(tmp_path)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_fork_that_leaves_the_block_does_not_free_it(tmp_path: Path) -> None:
    with process(FORK_LEAVES, tmp_path) as started:
        assert said(started) == "left"
        assert started.wait(60) == 0


def test_a_holder_who_has_not_written_yet_is_another_process(tmp_path: Path) -> None:
    with process(HOLD, tmp_path) as holder:
        assert said(holder) == "held"
        (tmp_path / LOCK).write_bytes(b'{"host": "h')
        with pytest.raises(RefusedError, match="in use: another process is at work there"):
            take(tmp_path)


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_store_that_is_not_there_yet_is_made(tmp_path: Path, prefix: str) -> None:
    with locked(f"{prefix}{tmp_path / 'a' / 'b'}"):
        assert (tmp_path / "a" / "b" / LOCK).is_file()


def test_what_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=f"{tmp_path}/file/store"):
        take(tmp_path / "file" / "store")


def failing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Make locking fail as on a file system without it."""

    def flock(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    failing(monkeypatch, number)
    take(tmp_path)
    (told,) = caplog.messages
    assert told.startswith(f"{tmp_path} is on a file system that knows no locks")


def test_any_other_failure_of_the_lock_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match=f"{tmp_path}/{LOCK}"):
        take(tmp_path)


def test_an_object_store_is_not_locked_and_nothing_is_written_there() -> None:
    with locked("s3://bucket/store"), locked("s3://bucket/store"):
        pass
