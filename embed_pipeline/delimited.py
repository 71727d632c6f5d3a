"""Rows of CSV and TSV files."""

import csv
from collections import Counter
from collections.abc import Iterator

from embed_pipeline import files
from embed_pipeline.errors import ConfigError, UnreadableLine
from embed_pipeline.formats import Row, readable
from embed_pipeline.lines import MAX_LINE_BYTES, Readable, decode, split_lines

DELIMITERS = {"csv": ",", "tsv": "\t"}


class _TextLines:
    """Decode a stream's lines for csv.reader, and remember the first one that is not UTF-8.

    Attributes:
        fault: What was wrong with a line since it was last taken, or None.
    """

    def __init__(self, stream: Readable) -> None:
        self._lines = split_lines(stream)
        self.fault: UnreadableLine | None = None

    def __iter__(self) -> "_TextLines":
        return self

    def __next__(self) -> str:
        position, line = next(self._lines)
        text = decode(position, line)
        if isinstance(text, UnreadableLine):
            self.fault = text
            text = (line or b"").decode(errors="replace")  # its quotes still count
        return text + "\n"

    def take_fault(self) -> UnreadableLine | None:
        """Return and forget what was wrong."""
        fault, self.fault = self.fault, None
        return fault


def delimited_rows(path: str, compression: str | None, delimiter: str) -> Iterator[Row]:
    """Yield the rows of a file whose first line names the columns, blank lines left out.

    Quoted fields may hold delimiters, newlines and doubled quotes (RFC 4180). A column without a
    name is called `column_N`. A row's line is the one it begins in.

    Raises:
        ConfigError: There is no header, or it names a column twice.
        DatasetError: The file cannot be read.
    """
    csv.field_size_limit(MAX_LINE_BYTES)  # of the process: the default refuses texts of 128 KiB
    with readable(path), files.open_input_stream(path, compression) as stream:
        lines = _TextLines(stream)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header = _header(path, reader, lines)
        width = len(header)
        while True:
            number = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                lines.take_fault()
                yield number, UnreadableLine(f"{error}; check the quotes of this row")
                continue
            fault = lines.take_fault()
            if fault:
                yield number, fault
            elif len(row) == width:
                yield number, dict(zip(header, row, strict=True))
            elif row:
                yield number, _wrong_width(len(row), width)


def _header(path: str, reader: Iterator[list[str]], lines: _TextLines) -> list[str]:
    try:
        names = next(reader, [])
    except csv.Error as error:
        raise ConfigError(f"{path}:1: the header cannot be read: {error}") from error
    if not names or lines.fault:
        why = lines.fault or "the file is empty or begins with a blank line"
        raise ConfigError(f"{path}:1: no header with the names of the columns: {why}")
    named = [name or f"column_{number}" for number, name in enumerate(names, 1)]
    twice = [name for name, count in Counter(named).items() if count > 1]
    if twice:
        raise ConfigError(f"{path}:1: the header names a column twice: {', '.join(twice)}")
    return named


def _wrong_width(found: int, width: int) -> UnreadableLine:
    return UnreadableLine(
        f"{found} field{'s' * (found != 1)} where the header names {width}; quote fields that hold "
        "the delimiter or a newline"
    )
