"""One job at a time in a store: a lock that the kernel frees when its process ends, however."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson

from embed_pipeline import files
from embed_pipeline.errors import RefusedError
from embed_pipeline.locations import naming, parse
from embed_pipeline.processes import this_process

LOCK = ".lock"
_CANNOT = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}  # a file system without locks
_log = logging.getLogger("embed_pipeline")
_held: set[int] = set()  # descriptors of this process


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold a store for this job alone, until the block ends or the process does.

    Locally that is `flock` on STORE/.lock, which is made and never deleted. The kernel frees it
    with its process, so nothing is ever stale, and no clock is asked. A child of the process does
    not hold it on: the file is closed when it starts another program, and when it is a fork.
    An object store has no such lock, and none is imitated there: let the scheduler start one job at
    a time. A local file system without locks is warned of.

    Args:
        path: The store's folder; made where it is local and missing.

    Raises:
        RefusedError: Another job, in this process or another, holds it; it is named.
        OSError: The file cannot be made or locked.
    """
    place = parse(path)
    if not place.is_local:
        yield
        return
    where = files.join(path, LOCK)
    with naming(where):
        Path(place.key).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(parse(where).key, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    _held.add(descriptor)
    try:
        with naming(where):
            _take(descriptor, path)
        yield
    finally:
        if descriptor in _held:  # a fork that leaves the block has closed it already
            _held.discard(descriptor)
            os.close(descriptor)


def _take(descriptor: int, path: str) -> None:
    """Lock an open file and write into it who holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RefusedError(
            f"{path} is in use: {_holder(descriptor)} is at work there; wait for its end, or stop "
            "it, and start this again. Nothing need be deleted: the lock ends with that process"
        ) from error
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        _log.warning(
            "%s is on a file system that knows no locks (%s): see to it that only one job works "
            "there at a time",
            path,
            error.strerror,
        )
        return
    since = datetime.now(UTC).isoformat(timespec="seconds")
    told = {**this_process(), "since": since}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, orjson.dumps(told), 0)


def _holder(descriptor: int) -> str:
    """Return who holds a lock, as far as they have written it yet."""
    try:
        found = orjson.loads(os.pread(descriptor, 4096, 0))
        return f"process {found['pid']} on {found['host']}, since {found['since']},"
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return "another process"


def _close_in_child() -> None:
    """Close what a fork has inherited: it would hold the lock on after its parent's end."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
