"""Runs of the command line in which one operation on the file system fails, or ends the process.

    python -m tests.support.crashing

is a fork server: everything is imported once, then each run is a fork of its own. What is replaced
there is what `embed_pipeline.files` stands on, the functions of `os` and the file systems of
`pyarrow.fs`, so that each of its operations below one folder is counted, and one of them fails.
"""

import errno
import gc
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, Self

from apache_beam.transforms import userstate
from pyarrow import fs

from embed_pipeline.pipelines.cli import invoke

ROOT = Path(__file__).parents[2]
TIMEOUT = 60  # seconds that a run may take
Mode = Literal["before", "after", "killed"]
Kind = Literal["reads", "settles", "changes"]
COUNTED: Mapping[Mode, tuple[Kind, ...]] = {
    "before": ("reads", "settles", "changes"),
    "after": ("settles", "changes"),
    "killed": ("changes",),
}
SOME_WRITES = {8**power for power in range(6)}  # the others of a file are like them
OF_OS = ("replace", "rename", "link", "unlink", "remove", "mkdir", "rmdir")
READING = ("get_file_info", "open_input_file", "open_input_stream")  # of a file system
CHANGING = ("delete_file", "delete_dir", "delete_dir_contents", "create_dir", "copy_file", "move")


class Ended(NamedTuple):
    """Say how a run has ended.

    Attributes:
        code: Its exit code; -9 where it was killed.
        said: All that it printed.
        hit: The operation that failed; "" where there were fewer.
    """

    code: int
    said: str
    hit: str


class Disk:
    """Count operations below a folder, and let one of them fail.

    "before": it raises OSError instead. "after": it is done, and raises; a write, a copy and the
    deletion of a folder are half done. "killed": the process is killed before it, or where they are
    half done; what changes nothing there, as a synchronization, is not counted then.

    Args:
        root: The folder, or its key on an object store.
        at: Which operation fails, from 1 on.
        mode: How it does.
        told: The file in which the operation is named.
        every_write: Whether all writes into a file are counted, or SOME_WRITES.
    """

    def __init__(self, root: str, at: int, mode: Mode, told: Path, *, every_write: bool) -> None:
        self._root = root.rstrip("/")
        self._at = at
        self._mode = mode
        self._told = told
        self._lock = threading.Lock()
        self._count = 0
        self.every_write = every_write

    def concerns(self, path: object) -> bool:
        """Tell whether a path lies in the folder, or is it."""
        named = isinstance(path, (str, os.PathLike))
        return named and f"{path}/".startswith(f"{self._root}/")

    def step(
        self,
        what: str,
        do: Callable[[], Any],
        kind: Kind = "changes",
        half: Callable[[], object] | None = None,
    ) -> Any:
        """Do an operation, or fail."""
        if kind not in COUNTED[self._mode]:
            return do()
        with self._lock:
            self._count += 1
            hit = self._count == self._at
        if not hit:
            return do()
        self._told.write_text(what)
        if self._mode == "after":
            (half or do)()
        if self._mode == "killed":
            (half or (lambda: None))()
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.EIO, "the disk of this test fails", what)


class Stream:
    """Pass on to a stream; writes and the closing are operations."""

    def __init__(self, stream: Any, disk: Disk, path: str, *, appears: bool = False) -> None:
        self._stream = stream
        self._disk = disk
        self._path = path
        self._closing: Kind = "changes" if appears else "settles"
        self._writes = 0

    def write(self, data: Any) -> Any:
        """Write, or fail with the first half written."""
        self._writes += 1
        if not self._disk.every_write and self._writes not in SOME_WRITES:
            return self._stream.write(data)
        return self._disk.step(
            f"write {self._writes} of {self._path}",
            lambda: self._stream.write(data),
            half=lambda: self._write_half(data),
        )

    def close(self) -> None:
        """Close, or fail."""
        self._disk.step(f"close {self._path}", self._stream.close, self._closing)

    def _write_half(self, data: Any) -> None:
        content = bytes(data)
        self._stream.write(content[: len(content) // 2])
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.close()
        else:
            self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class FileSystem:
    """Pass on to a file system of pyarrow; what is done below the folder are operations.

    Args:
        inner: The file system.
        disk: What counts them.
        local: Whether a file is there from the moment it is opened, not closed.
    """

    def __init__(self, inner: Any, disk: Disk, *, local: bool) -> None:
        self._inner = inner
        self._disk = disk
        self._local = local

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileSystem) and bool(self._inner == other._inner)

    __hash__ = None  # type: ignore[assignment]

    def open_output_stream(self, path: str, **how: Any) -> Any:
        """Open a file for writing, or fail."""

        def do() -> Any:
            return self._inner.open_output_stream(path, **how)

        if not self._disk.concerns(path):
            return do()
        opened = self._disk.step(f"open {path}", do, "changes" if self._local else "settles")
        return Stream(opened, self._disk, path, appears=not self._local)

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._inner, name)
        if name not in READING and name not in CHANGING:
            return function

        def call(path: Any, *rest: Any, **how: Any) -> Any:
            where = getattr(path, "base_dir", path)
            if not self._disk.concerns(where):
                return function(path, *rest, **how)
            halves = {
                "delete_dir": lambda: self._delete_half(path),
                "copy_file": lambda: self._copy_half(path, *rest),
            }
            return self._disk.step(
                f"{name} {where}",
                lambda: function(path, *rest, **how),
                "reads" if name in READING else "changes",
                halves.get(name),
            )

        return call

    def _delete_half(self, path: str) -> None:
        selector = fs.FileSelector(path, recursive=True, allow_not_found=True)
        found = sorted(one.path for one in self._inner.get_file_info(selector) if one.is_file)
        for one in found[: len(found) // 2]:
            self._inner.delete_file(one)

    def _copy_half(self, source: str, target: str) -> None:
        with self._inner.open_input_file(source) as stream:
            content = stream.read(stream.size() // 2)
        if self._local:
            with self._inner.open_output_stream(target, compression=None) as stream:
                stream.write(content)


def break_disk(disk: Disk) -> None:
    """Let everything that works on files in this process go through a disk, for ever."""
    for name in OF_OS:
        setattr(os, name, _through(disk, name, getattr(os, name)))
    local, stores = fs.LocalFileSystem, fs.FileSystem

    class Stores:
        @staticmethod
        def from_uri(uri: str) -> tuple[FileSystem, str]:
            found, key = stores.from_uri(uri)
            return FileSystem(found, disk, local=False), key

    os.fsync = _syncing(disk, os.fsync)
    os.open = _opening(disk, os.open)
    io.open = _opening_file(disk, io.open)
    fs.LocalFileSystem = lambda: FileSystem(local(), disk, local=True)
    fs.FileSystem = Stores


def _through(disk: Disk, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any, *rest: Any, **how: Any) -> Any:
        target = rest[0] if rest and isinstance(rest[0], (str, os.PathLike)) else path
        if not disk.concerns(target):
            return function(path, *rest, **how)
        there = name == "mkdir" and os.path.isdir(path)  # noqa: PTH112 (what pathlib calls)
        kind: Kind = "settles" if there else "changes"
        return disk.step(f"{name} {target}", lambda: function(path, *rest, **how), kind)

    return call


def _syncing(disk: Disk, function: Callable[[Any], None]) -> Any:
    return lambda descriptor: disk.step("fsync", lambda: function(descriptor), "settles")


def _opening(disk: Disk, function: Callable[..., int]) -> Any:
    def call(path: Any, flags: int, *rest: Any, **how: Any) -> int:
        def do() -> int:
            return function(path, flags, *rest, **how)

        kind: Kind = "changes" if flags & os.O_CREAT else "reads"
        found: int = disk.step(f"open {path}", do, kind) if disk.concerns(path) else do()
        return found

    return call


def _opening_file(disk: Disk, function: Callable[..., Any]) -> Any:
    def call(path: Any, mode: str = "r", *rest: Any, **how: Any) -> Any:
        def do() -> Any:
            return function(path, mode, *rest, **how)

        if not disk.concerns(path) or not set(mode) & set("wxa+"):
            return do()
        return Stream(disk.step(f"open {path}", do), disk, str(path))

    return call


class ForkServer:
    """Run commands in forks of one process that has imported everything; one at a time.

    Args:
        folder: Where it writes what its runs say.
        every_write: As in Disk.
    """

    def __init__(self, folder: Path, *, every_write: bool) -> None:
        self._folder = folder
        self._every_write = every_write
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crashing"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, argv: list[str], root: str = "", at: int = 0, mode: Mode = "before") -> Ended:
        """Run a command; let one of its operations below a folder fail.

        Args:
            argv: The command's arguments.
            root: As in Disk; "": none fails.
            at: As in Disk.
            mode: As in Disk.
        """
        said, told = self._folder / "said", self._folder / "told"
        told.unlink(missing_ok=True)
        asked = {
            "argv": argv,
            "said": str(said),
            "told": str(told),
            "disk": root and [root, at, mode, self._every_write],
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the fork server has ended"
        hit = told.read_text() if told.exists() else ""
        return Ended(int(answer), said.read_text(), hit)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(TIMEOUT)
        self._process.stdout.close()


@contextmanager
def forking(folder: Path, *, every_write: bool = False) -> Iterator[ForkServer]:
    """Run a fork server until the block ends; its folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    server = ForkServer(folder, every_write=every_write)
    try:
        yield server
    finally:
        server.close()


def serve() -> None:
    """Fork for each line of standard input, and tell the exit code of each."""
    gc.disable()
    userstate.get_dofn_specs = cache(userstate.get_dofn_specs)  # a third of a small job's time
    for line in sys.stdin:
        asked = json.loads(line)
        assert threading.active_count() == 1, "a fork has no other threads"
        child = os.fork()
        if not child:
            _run(asked)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
        _import_as(Path(asked["said"] + ".modules"))


def _import_as(list_of_modules: Path) -> None:
    """Import what a run has imported, so that the next one finds it there."""
    if list_of_modules.exists():
        for name in list_of_modules.read_text().split():
            with suppress(ImportError):  # some are no modules of their own
                importlib.import_module(name)
        list_of_modules.unlink()
        gc.collect()


def _run(asked: Mapping[str, Any]) -> NoReturn:
    """Run the command line in this process, which ends with it."""
    code = 70
    try:
        said = os.open(asked["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(said, descriptor)
        signal.alarm(TIMEOUT)
        known = set(sys.modules)
        if asked["disk"]:
            root, at, mode, every_write = asked["disk"]
            break_disk(Disk(root, at, mode, Path(asked["told"]), every_write=every_write))
        code = invoke(asked["argv"])
        new = sys.modules.keys() - known
        if new and not asked["disk"]:
            Path(asked["said"] + ".modules").write_text("\n".join(sorted(new)))
    except BaseException:  # noqa: BLE001 (whatever it is, the process that forked must not see it)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
