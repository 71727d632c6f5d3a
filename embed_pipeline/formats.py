"""The formats a corpus may have, and the rows in a file of each (Parquet: `parquet_rows`).

A row is its one-based line in what is read and either its fields or the error that stands for it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, Literal, NoReturn

import orjson
import pyarrow as pa

from embed_pipeline import files
from embed_pipeline.errors import ConfigError, DatasetError, DocumentError, UnreadableLine
from embed_pipeline.lines import BOM, MAX_LINE_BYTES, decode, lines_in_range, split_lines
from embed_pipeline.locations import split_options

Format = Literal["jsonl", "csv", "tsv", "parquet", "text"]
Row = tuple[int, dict[str, Any] | DocumentError]

_FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json-lines": "jsonl", ".csv": "csv", ".tsv": "tsv",
    ".parquet": "parquet", ".txt": "text", ".md": "text", ".rst": "text",
}  # fmt: skip
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_JSON_TYPES = {
    list: "array", str: "string", int: "number", float: "number", bool: "boolean",
    type(None): "null",
}  # fmt: skip


def detect(path: str, declared: Format | None = None) -> tuple[Format, str | None]:
    """Return a file's format and its compression ("gzip", "zstd" or None).

    Args:
        path: Its path or URL; the extensions say what it is.
        declared: The format, where the extension does not decide it.

    Raises:
        ConfigError: The extension is unknown and nothing is declared, or Parquet is compressed as
            a whole.
    """
    plain = PurePosixPath(split_options(path)[0])
    compression = _COMPRESSIONS.get(plain.suffix.lower())
    if compression:
        plain = plain.with_suffix("")
    found = declared or _FORMATS.get(plain.suffix.lower())
    if not found:
        raise ConfigError(
            f"{path}: its extension says nothing about its format; set corpus.format to jsonl, "
            "csv, tsv, parquet or text, or name files of these only, by patterns such as "
            f"'notes/**/*.md' ({' '.join(_FORMATS)}, and with .gz or .zst)"
        )
    if found == "parquet" and compression:
        raise ConfigError(f"{path}: Parquet is compressed inside; decompress the file as a whole")
    return found, compression


@contextmanager
def readable(path: str) -> Iterator[None]:
    """Turn what goes wrong below into a DatasetError that names the file."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"{path} cannot be read: {error}; repair it, or leave it out of corpus.files"
        ) from error


def json_rows(
    path: str, compression: str | None = None, first: int = 0, last: int | None = None
) -> Iterator[Row]:
    """Yield the objects of a JSON Lines file, blank lines left out.

    Args:
        path: The file.
        compression: As `detect` returns it; a compressed file has no ranges.
        first: The first byte of the range whose lines are read.
        last: The byte behind it, or None for the end of the file.

    Yields:
        Each row, its line counted from the first line of the range.

    Raises:
        ConfigError: The file is one JSON array.
        DatasetError: The file cannot be read.
    """
    with readable(path):
        if last is None:
            stream = files.open_input_stream(path, compression)
            lines = split_lines(stream)
        else:
            stream = files.open_input(path)
            lines = lines_in_range(stream, first, last)
        with stream:
            for number, (position, line) in enumerate(lines, 1):
                try:
                    values = orjson.loads(line)  # type: ignore[arg-type]
                    if type(values) is dict:
                        yield number, values
                        continue
                except orjson.JSONDecodeError:
                    pass
                if position == 0 and line:
                    _refuse_array(path, line)
                rest = _read_json(position, line)
                if rest is not None:
                    yield number, rest


def _refuse_array(path: str, line: bytes) -> None:
    if line.lstrip(BOM + b" \t\r").startswith(b"["):
        raise ConfigError(
            f"{path} is one JSON array, not JSON Lines, which is one object a line; convert it: "
            "jq -c '.[]'"
        )


def _read_json(position: int, line: bytes | None) -> dict[str, Any] | DocumentError | None:
    """Read a line that is no plain object: None where blank, an object where JSON allows it.

    Beyond what orjson reads, that is an object behind a byte order mark, or with escapes of lone
    surrogates.
    """
    text = decode(position, line)
    if isinstance(text, DocumentError):
        return text
    if not text.strip():
        return None
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        return UnreadableLine(
            f"byte {position}: not JSON: {error.msg} at character {error.pos}; correct the line"
        )
    except (ValueError, RecursionError) as error:
        return UnreadableLine(f"byte {position}: not JSON: {error}; correct the line")
    if isinstance(values, dict):
        return values
    return UnreadableLine(
        f"byte {position}: a JSON {_JSON_TYPES[type(values)]}, not an object with fields; "
        'write {"text": ...}'
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def text_lines(
    path: str, compression: str | None = None
) -> Iterator[tuple[int, str | UnreadableLine]]:
    """Yield the lines of a plain text file without their ends, blank ones left out.

    Raises:
        DatasetError: The file cannot be read.
    """
    with readable(path), files.open_input_stream(path, compression) as stream:
        for number, (position, line) in enumerate(split_lines(stream), 1):
            text = decode(position, line)
            if not isinstance(text, str):
                yield number, text
            elif text and not text.isspace():
                yield number, text.removesuffix("\r")


def whole_text(path: str, compression: str | None = None) -> str | UnreadableLine:
    """Return a plain text file as one text, as it is.

    Raises:
        DatasetError: The file cannot be read.
    """
    with readable(path), files.open_input_stream(path, compression) as stream:
        data = stream.read(MAX_LINE_BYTES + 1)
        return decode(0, data if len(data) <= MAX_LINE_BYTES else None)
