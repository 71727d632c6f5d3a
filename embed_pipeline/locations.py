"""What a path or URL means: which file system, which key there, with which options.

A URL is `scheme://bucket/key`, taken literally (no percent-decoding), and may end in the options
pyarrow.fs knows: `s3://bucket/key?endpoint_override=http://127.0.0.1:9000&region=us-east-1`.
Anything without `://` is a local path.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import pyarrow as pa
from pyarrow import fs

from embed_pipeline.errors import ConfigError

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/@]*)@)?"
    r"(?P<key>.*?)(?P<options>\?[a-z_]+=.*)?",
    re.DOTALL,
)


class Place(NamedTuple):
    """Hold a path in the parts that differ between file systems.

    Attributes:
        prefix: "" for local paths, else "scheme://" and a user such as "anonymous@".
        key: What pyarrow calls the path: absolute for local files, "bucket/key" for stores.
        options: "" or "?name=value&...".
    """

    prefix: str
    key: str
    options: str

    @property
    def is_local(self) -> bool:
        """Say whether it is on this machine's own file system."""
        return self.prefix in ("", "file://")

    def url(self, key: str) -> str:
        """Return another key of the same file system as a path or URL."""
        return f"{self.prefix}{key}{self.options}"

    def is_below(self, other: "Place") -> bool:
        """Say whether it lies in a folder, or is it."""
        same = self.is_local == other.is_local and (self.is_local or self.prefix == other.prefix)
        return same and f"{self.key}/".startswith(f"{other.key.rstrip('/')}/")

    def connect(self) -> fs.FileSystem:
        """Return the file system; a bucket is connected to once a process."""
        if self.is_local:
            return fs.LocalFileSystem()
        return _store(self.url(self.key.partition("/")[0]))


def parse(path: str) -> Place:
    """Take a path or URL apart.

    Raises:
        ConfigError: Where the URL is malformed, of an unknown scheme, or holds a password.
    """
    url = _URL.fullmatch(path)
    if not url:
        if not path:
            raise ConfigError("an empty path names no file")
        return Place("", os.path.abspath(path), "")  # noqa: PTH100 (pathlib keeps "..")
    scheme, user, key = url["scheme"].lower(), url["user"] or "", url["key"]
    if ":" in user or ":" in key.partition("/")[0]:  # a key may itself hold a slash
        raise ConfigError(
            f"{scheme}://***: a URL with a password would end up in the dataset; put it into the "
            "environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) and take it out of the URL"
        )
    if scheme == "file" and key.startswith("/"):
        return Place("file://", os.path.abspath(key), "")  # noqa: PTH100 (pathlib keeps "..")
    if scheme not in ("s3", "gs", "gcs") or not key.strip("/") or key.startswith("/"):
        raise ConfigError(
            f"{path}: not a place for files; use a local path, file:///path, s3://bucket/key or "
            "gs://bucket/key"
        )
    prefix = f"{scheme}://{user}@" if user else f"{scheme}://"
    return Place(prefix, key.rstrip("/"), url["options"] or "")


GCS_RETRY_SECONDS = 60  # its own default, 15 minutes, looks like a hang


@cache
def _store(root: str) -> fs.FileSystem:
    """Connect to a bucket once: finding its region can cost a round trip."""
    if root.startswith(("gs://", "gcs://")) and "retry_limit_seconds=" not in root:
        root += f"{'&' if '?' in root else '?'}retry_limit_seconds={GCS_RETRY_SECONDS}"
    try:
        return fs.FileSystem.from_uri(root)[0]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(f"{root}: {error}") from error


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the path into errors that lack it."""
    try:
        yield
    except OSError as error:
        if path in str(error):
            raise
        message = f"{error.strerror or error}: {path}"
        named = OSError(error.errno, message) if error.errno else type(error)(message)
        raise named from error
    except UnicodeDecodeError as error:
        raise OSError(f"a file name that is not UTF-8 ({error.object!r}): {path}") from error


def name(path: str) -> str:
    """Return the last part of a path or URL."""
    return split_options(path)[0].rpartition("/")[2]


def split_options(path: str) -> tuple[str, str]:
    """Split a path or URL from its options, "" where it has none."""
    url = _URL.fullmatch(path)
    options = (url["options"] or "") if url else ""
    return path[: len(path) - len(options)], options
