"""Rows of CSV and TSV files."""

import csv
from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

from embed_pipeline import files
from embed_pipeline.errors import ConfigError, UnreadableLine
from embed_pipeline.formats import Row, readable
from embed_pipeline.lines import MAX_LINE_BYTES, Readable, decode, split_lines

DELIMITERS = {"csv": ",", "tsv": "\t"}
MAX_RECORD_LINES = 10_000


class _Line(NamedTuple):
    number: int
    text: str
    fault: UnreadableLine | None


class _RecordLines:
    """Feed csv.reader with numbered lines, and feed those of a failed record again.

    Raises csv.Error where a record asks for more than MAX_RECORD_LINES or MAX_LINE_BYTES: so much
    is held in memory, and so much is at most read twice for one stray quote.
    """

    def __init__(self, stream: Readable) -> None:
        self._lines = self._decoded(stream)
        self._again = deque[_Line]()
        self._record = list[_Line]()
        self._characters = 0

    @staticmethod
    def _decoded(stream: Readable) -> Iterator[_Line]:
        for number, (position, line) in enumerate(split_lines(stream), 1):
            text = decode(position, line)
            if isinstance(text, UnreadableLine):  # its quotes still count
                yield _Line(number, (line or b"").decode(errors="replace") + "\n", text)
            else:
                yield _Line(number, text + "\n", None)

    def __iter__(self) -> "_RecordLines":
        return self

    def __next__(self) -> str:
        if len(self._record) >= MAX_RECORD_LINES or self._characters > MAX_LINE_BYTES:
            raise csv.Error(
                f"a quote opens that is not closed within {MAX_RECORD_LINES:,} lines and "
                f"{MAX_LINE_BYTES >> 20} MiB"
            )
        line = self._again.popleft() if self._again else next(self._lines)
        self._record.append(line)
        self._characters += len(line.text)
        return line.text

    def begin_record(self) -> None:
        """Forget the lines of the record before."""
        self._record.clear()
        self._characters = 0

    def go_back(self) -> None:
        """Go back to the line after the one the record began in."""
        self._again.extendleft(reversed(self._record[1:]))

    @property
    def number(self) -> int:
        """The line the record began in."""
        return self._record[0].number

    @property
    def fault(self) -> UnreadableLine | None:
        """What is wrong with the record's first line that is not UTF-8 or too long, or None."""
        return next((line.fault for line in self._record if line.fault), None)


def delimited_rows(path: str, compression: str | None, delimiter: str) -> Iterator[Row]:
    """Yield the rows of a file whose first line names the columns, blank lines left out.

    Quoted fields may hold delimiters, newlines and doubled quotes (RFC 4180). A column without a
    name is called `column_N`. A row's line is the one it begins in.

    A row whose quotes are wrong, or that spans more than MAX_RECORD_LINES lines or MAX_LINE_BYTES,
    is yielded as an UnreadableLine, and reading goes on with the line after the one it begins in;
    so one stray quote costs one row, not the rest of the file. Where such a row did span lines,
    its other lines are taken for rows of their own. A stray quote that a later one happens to
    close, before a delimiter or the end of a line, is not told from a quoted field: the lines
    between them are then read as one row.

    Raises:
        ConfigError: There is no header, or it names a column twice.
        DatasetError: The file cannot be read.
    """
    csv.field_size_limit(MAX_LINE_BYTES)  # of the process: the default refuses texts of 128 KiB
    with readable(path), files.open_input_stream(path, compression) as stream:
        lines = _RecordLines(stream)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header = _header(path, reader, lines)
        width = len(header)
        while True:
            lines.begin_record()
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield lines.number, _wrong_quotes(error)
                lines.go_back()
                continue
            fault = lines.fault
            if fault:
                yield lines.number, fault
            elif len(row) == width:
                yield lines.number, dict(zip(header, row, strict=True))
            elif row:
                yield lines.number, _wrong_width(len(row), width)


def _header(path: str, reader: Iterator[list[str]], lines: _RecordLines) -> list[str]:
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


def _wrong_quotes(error: csv.Error) -> UnreadableLine:
    what = str(error)
    if what == "unexpected end of data":
        what = "a quote opens that is not closed before the end of the file"
    return UnreadableLine(
        f"{what}; reading goes on with the next line; close the quote, or double the quotes inside "
        "a quoted field"
    )


def _wrong_width(found: int, width: int) -> UnreadableLine:
    return UnreadableLine(
        f"{found} field{'s' * (found != 1)} where the header names {width}; quote fields that hold "
        "the delimiter or a newline"
    )
