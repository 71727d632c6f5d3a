"""A store: a folder of snapshots, each a complete dataset, one of which is the current one.

STORE/current.json              which snapshot that is; replaced as the last act of a refresh
STORE/snapshots/000001/         a dataset, with the marks of its rows and what has changed
STORE/log/000001.json           what each refresh did, also one that found nothing to do
"""

import logging
import re
from typing import NamedTuple

import orjson
from pydantic import ValidationError

from embed_pipeline import files
from embed_pipeline.errors import DatasetError
from embed_pipeline.locations import name, parse
from embed_pipeline.manifest import Manifest, Refresh, read_manifest
from embed_pipeline.staging import MANIFEST, STAGING

CURRENT = "current.json"
FORMAT = 1
_log = logging.getLogger("embed_pipeline")
_SNAPSHOT = re.compile(r"/(\d{6})/")
_ENTRY = re.compile(r"(\d{6})\.json")


class Store(NamedTuple):
    """Name a store by its folder: local, s3:// or gs://."""

    path: str

    @property
    def current(self) -> str:
        """Return the path of the file that names the current snapshot."""
        return files.join(self.path, CURRENT)

    @property
    def log(self) -> str:
        """Return the folder of what refreshes did."""
        return files.join(self.path, "log")

    def snapshot(self, number: int) -> str:
        """Return the folder of a snapshot."""
        return files.join(self.path, "snapshots", f"{number:06d}")

    def number(self) -> int | None:
        """Return the number of the current snapshot; None where nothing was published yet.

        Raises:
            DatasetError: `current.json` is missing where there are snapshots, damaged, of a newer
                format, or names a snapshot that is not there.
        """
        cure = (
            f"look which folders of {files.join(self.path, 'snapshots')} hold a {MANIFEST}, and "
            f'write the latest into it: {{"format": {FORMAT}, "snapshot": NUMBER}}'
        )
        if not files.exists(self.current):
            if self._was_published():
                raise DatasetError(f"{self.current} is missing, but there are snapshots; {cure}")
            return None
        try:
            found = orjson.loads(files.read_bytes(self.current))
            written = int(found["format"])
            number = int(found["snapshot"]) if written <= FORMAT else 0
        except (orjson.JSONDecodeError, LookupError, TypeError, ValueError) as error:
            raise DatasetError(f"{self.current} is damaged; {cure}") from error
        if written > FORMAT:
            raise DatasetError(
                f"{self.current} is of format {written}, written by a newer version; this one "
                f"reads format {FORMAT}: install the newer version"
            )
        if not files.exists(files.join(self.snapshot(number), MANIFEST)):
            raise DatasetError(
                f"{self.current} names snapshot {number}, which is not there, or not whole; {cure}"
            )
        return number

    def _was_published(self) -> bool:
        """Tell whether a snapshot was ever the current one.

        A first refresh that is killed right before that leaves a whole first snapshot, and no log.
        """
        if any(_ENTRY.fullmatch(name(info.path)) for info in files.list_folder(self.log)):
            return True
        later = [number for number in self.numbers() if number > 1]
        return any(files.exists(files.join(self.snapshot(one), MANIFEST)) for one in later)

    def manifest(self) -> Manifest | None:
        """Return the manifest of the current snapshot; None where nothing was published yet.

        Raises:
            DatasetError: The store or the manifest is damaged.
        """
        number = self.number()
        return None if number is None else read_manifest(self.snapshot(number))

    def numbers(self) -> list[int]:
        """Return the numbers of all snapshots of which there are files, ascending."""
        folder = files.join(self.path, "snapshots")
        below = [parse(one.path).key.removeprefix(parse(folder).key) for one in files.find(folder)]
        return sorted({int(match[1]) for one in below if (match := _SNAPSHOT.match(one))})

    def following(self) -> int:
        """Return the number of the next snapshot: one that was never published.

        Somebody may have gone back to an older snapshot; a copy of the newer one must not take the
        next for it.
        """
        return max([self.number() or 0, *(one.snapshot for one in self.entries())]) + 1

    def publish(self, number: int) -> None:
        """Make a snapshot the current one; from now on readers see it."""
        files.write_bytes(self.current, orjson.dumps({"format": FORMAT, "snapshot": number}))

    def entries(self) -> list[Refresh]:
        """Return what refreshes did, in their order; warn of an entry that is damaged."""
        found = []
        for info in files.list_folder(self.log):
            if _ENTRY.fullmatch(name(info.path)):
                try:
                    found.append(Refresh.model_validate_json(files.read_bytes(info.path)))
                except ValidationError:  # no night is to fail for that
                    _log.warning("%s is damaged; it is not needed: delete it", info.path)
        return found

    def record(self, refresh: Refresh) -> None:
        """Add what a refresh did to the log."""
        taken = [
            int(match[1])
            for info in files.list_folder(self.log)
            if (match := _ENTRY.fullmatch(name(info.path)))
        ]
        where = files.join(self.log, f"{max(taken, default=0) + 1:06d}.json")
        files.write_bytes(where, refresh.model_dump_json(indent=2).encode() + b"\n")

    def tidy(self, keep: int) -> None:
        """Delete what is not needed any more, and see to it that the log is complete.

        That is all snapshots but the latest `keep`, and what the run that made the current one has
        left in staging, as it does where it is killed right after publishing, and files of which
        a run that was killed has written a part. What stands behind the current snapshot is of runs
        that were stopped: the next refresh goes on from there.
        """
        number = self.number()
        if number is None:
            return
        manifest = read_manifest(self.snapshot(number))
        told = manifest.refresh
        if told is not None and all(
            (one.run_id, one.snapshot) != (told.run_id, number) for one in self.entries()
        ):
            self.record(told)
        staging = files.join(self.snapshot(number), STAGING)
        if files.exists(staging):
            files.delete_folder(staging)
        for folder in (self.path, self.log, self.snapshot(number)):
            _drop_unfinished(folder)
        for old in self.numbers():
            if old <= number - keep:
                files.delete_folder(self.snapshot(old))

    def done(self, run_id: str, number: int) -> Refresh:
        """Return what the refresh that has just ended well did.

        Args:
            run_id: What it is called.
            number: Of the snapshot it has published, if anything had changed.

        Raises:
            DatasetError: It is not told anywhere any more.
        """
        manifest = self.manifest()
        published = [manifest.refresh] if manifest and manifest.refresh else []
        told = [one for one in published if one.snapshot == number] or reversed(self.entries())
        for one in told:
            if one.run_id == run_id:
                return one
        raise DatasetError(f"{self.path} was changed by another job meanwhile: see {self.log}")


def _drop_unfinished(folder: str) -> None:
    """Delete what processes that were killed have left of files they were writing."""
    for info in files.list_folder(folder):
        if files.is_unfinished(info.path):
            files.delete(info.path)


def is_store(path: str) -> bool:
    """Tell whether a folder is a store."""
    return files.exists(files.join(path, CURRENT))


def resolved(path: str) -> str:
    """Return a dataset's folder: that of the current snapshot where the path is a store's.

    Raises:
        DatasetError: The store is damaged.
    """
    number = Store(path).number()
    return path if number is None else Store(path).snapshot(number)
