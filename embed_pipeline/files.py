"""Read and write files by path or URL: the one file layer, the same for local, s3:// and gs://.

What a path may look like is said in `embed_pipeline.locations`; the options of a URL stay with
every path derived from it. Every function raises OSError (or a subclass) naming the path, with
pyarrow's error as its cause, and ConfigError for a URL that cannot be used.
"""

import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from embed_pipeline import globs
from embed_pipeline.errors import ConfigError
from embed_pipeline.locations import Place, name, naming, parse, split_options

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class FileInfo:
    """Describe one file.

    Attributes:
        path: Its absolute local path, or its URL with the options it was asked for.
        size: Bytes.
        modified: When it was last written, in UTC; None where the store does not say.
    """

    path: str
    size: int
    modified: datetime | None


def _file(place: Place, found: fs.FileInfo) -> FileInfo:
    return FileInfo(place.url(found.path), found.size, found.mtime)


def resolve(path: str) -> tuple[fs.FileSystem, str]:
    """Resolve a path to a file system and what that calls the path.

    Raises:
        ConfigError: Where the URL is malformed, of an unknown scheme, or holds a password.
    """
    place = parse(path)
    with naming(path):
        return place.connect(), place.key


def join(base: str, *parts: str) -> str:
    """Append parts to a path, before the options of a URL."""
    stem, options = split_options(base)
    below = "/".join(part.strip("/") for part in parts if part.strip("/"))
    if not below:
        return base
    return f"{stem}{'' if stem.endswith('/') or not stem else '/'}{below}{options}"


def exists(path: str) -> bool:
    """Say whether there is a file or a folder at a path."""
    filesystem, key = resolve(path)
    with naming(path):
        return bool(filesystem.get_file_info(key).type != fs.FileType.NotFound)


def is_folder(path: str) -> bool:
    """Say whether there is a folder at a path."""
    filesystem, key = resolve(path)
    with naming(path):
        return bool(filesystem.get_file_info(key).type == fs.FileType.Directory)


def fixed_root(pattern: str) -> str:
    """Return the folder below which all files of a pattern lie, as a path or URL.

    It is the pattern itself where that is a folder, and the folder of a single file.
    """
    place = parse(pattern)
    filesystem, key = resolve(pattern)
    with naming(pattern):
        kind = filesystem.get_file_info(key).type
    if kind == fs.FileType.NotFound and globs.has_magic(key):
        key = globs.split(key)[0] or "/"
    elif kind != fs.FileType.Directory:
        key = key.rpartition("/")[0] or "/"
    return place.url(key)


def find(pattern: str) -> list[FileInfo]:
    """Find files by a file's path, a folder's, or a glob pattern.

    A path that exists is taken as it is, even where it holds wildcards. A folder stands for all
    files in and below it, except those with a name, or in a folder, that begins with `.` or `_`.
    A pattern matches files, never folders; its rules are those of `embed_pipeline.globs`. Local
    symlinks are followed, but a loop, or a link beside its target, adds no file a second time.

    Returns:
        The files, sorted by path; none where nothing matches.
    """
    place = parse(pattern)
    filesystem, key = resolve(pattern)
    with naming(pattern):
        info = filesystem.get_file_info(key)
        if info.type == fs.FileType.File:
            return [_file(place, info)]
        if info.type == fs.FileType.Directory:
            root, parts = key, [globs.ANY_FOLDERS]
        elif globs.has_magic(key):
            root, parts = globs.split(key)
        else:
            return []
        deep = len(parts) > 1 or parts[0] == globs.ANY_FOLDERS
        selector = fs.FileSelector(root or "/", allow_not_found=True, recursive=deep)
        base = root.rstrip("/") + "/"
        files = [
            _file(place, info)
            for info in filesystem.get_file_info(selector)
            if info.is_file and globs.matches(parts, info.path.removeprefix(base).split("/"))
        ]
    if place.is_local:
        files = _once(os.path.realpath(root or "/").rstrip("/"), place.url(base), files)
    return sorted(files, key=lambda file: file.path)


def _once(root: str, base: str, found: list[FileInfo]) -> list[FileInfo]:
    """Leave out paths through a symlink to a file that is also there by its own path."""
    real = {file.path: os.path.realpath(parse(file.path).key) for file in found}
    own = {path for path in real if real[path] == f"{root}/{path.removeprefix(base)}"}
    listed = {real[path] for path in own}
    return [file for file in found if file.path in own or real[file.path] not in listed]


def list_folder(path: str) -> list[FileInfo]:
    """List the files directly in a folder, hidden ones too, sorted; none where it is missing."""
    place = parse(path)
    filesystem, key = resolve(path)
    with naming(path):
        found = filesystem.get_file_info(fs.FileSelector(key, allow_not_found=True))
        files = [_file(place, info) for info in found if info.is_file]
    return sorted(files, key=lambda file: file.path)


def read_bytes(path: str) -> bytes:
    """Read a whole file."""
    with open_input_stream(path) as stream, naming(path):
        return bytes(stream.read())


def write_bytes(path: str, data: bytes) -> None:
    """Write a whole file: afterwards it is there with all its bytes, or as it was before.

    Folders are made. A local file is synced to disk before it takes the place of the old one.
    """
    filesystem, key = resolve(path)
    with naming(path):
        if rename_is_cheap(path):
            _replace(Path(key), data)
            return
        with filesystem.open_output_stream(key, compression=None) as stream:
            stream.write(data)


def is_unfinished(path: str) -> bool:
    """Tell whether a file is what `write_bytes` leaves when its process is killed."""
    return _UNFINISHED.fullmatch(name(path)) is not None


def _replace(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def open_input(path: str) -> pa.NativeFile:
    """Open a file for reading at any position."""
    filesystem, key = resolve(path)
    with naming(path):
        return filesystem.open_input_file(key)


def open_input_stream(path: str, compression: str | None = None) -> pa.NativeFile:
    """Open a file for reading from start to end.

    Args:
        path: The file.
        compression: "gzip", "zstd", another codec of pyarrow, or None for the bytes as they are.
    """
    filesystem, key = resolve(path)
    with naming(path):
        return filesystem.open_input_stream(key, compression=compression)


def open_output(path: str) -> pa.NativeFile:
    """Open a file for writing from its start; folders are made.

    On an object store the file appears when the stream is closed; a local one appears at once.
    """
    filesystem, key = resolve(path)
    with naming(path):
        if rename_is_cheap(path):
            Path(key).parent.mkdir(parents=True, exist_ok=True)
        return filesystem.open_output_stream(key, compression=None)


def _both(what: str, source: str, target: str) -> tuple[fs.FileSystem, str, str]:
    """Resolve two paths of one file system, for what is done with them."""
    filesystem, key = resolve(source)
    other, target_key = resolve(target)
    if other != filesystem:
        raise ConfigError(f"cannot {what} {source} as {target}: they are on different file systems")
    return filesystem, key, target_key


def move(source: str, target: str) -> None:
    """Move a file within one file system, over what is there; folders are made.

    Atomic on local file systems; on object stores a copy, then a deletion.
    """
    filesystem, key, target_key = _both("move", source, target)
    with naming(f"{source} -> {target}"):
        if rename_is_cheap(source):
            Path(target_key).parent.mkdir(parents=True, exist_ok=True)
            Path(key).replace(target_key)
        else:
            filesystem.move(key, target_key)


def share(source: str, target: str) -> None:
    """Give a file, which is never changed, a second name; folders are made.

    On a local file system both names are one file, where it can do that; elsewhere it is copied,
    on object stores without passing through here.
    """
    filesystem, key, target_key = _both("share", source, target)
    with naming(f"{source} -> {target}"):
        if rename_is_cheap(source):
            Path(target_key).parent.mkdir(parents=True, exist_ok=True)
            Path(target_key).unlink(missing_ok=True)
            try:
                os.link(key, target_key)
            except OSError:  # it may be there all the same, and a file copied to itself is emptied
                Path(target_key).unlink(missing_ok=True)
            else:
                return
        filesystem.copy_file(key, target_key)


def delete(path: str) -> None:
    """Delete a file.

    Raises:
        FileNotFoundError: Where there is none.
    """
    filesystem, key = resolve(path)
    with naming(path):
        filesystem.delete_file(key)


def delete_folder(path: str) -> None:
    """Delete a folder and all that is in it; nothing happens where it is missing."""
    filesystem, key = resolve(path)
    with naming(path):
        try:
            filesystem.delete_dir(key)
        except FileNotFoundError:
            return


def delete_empty_folder(path: str) -> None:
    """Delete a folder in which nothing is; nothing happens to any other, or where it is missing."""
    filesystem, key = resolve(path)
    with naming(path):
        if not filesystem.get_file_info(fs.FileSelector(key, allow_not_found=True)):
            delete_folder(path)


def rename_is_cheap(path: str) -> bool:
    """Say whether moving a file is one step there, as on local file systems, and not a copy."""
    return parse(path).is_local
