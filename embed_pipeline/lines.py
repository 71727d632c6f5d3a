"""Cut bytes into lines, in blocks, without ever holding more than one overlong line's worth."""

from collections.abc import Iterator
from typing import Protocol

from embed_pipeline.errors import UnreadableLine

BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 64 << 20
BOM = b"\xef\xbb\xbf"


class Readable(Protocol):
    """Be anything bytes can be read from."""

    def read(self, nbytes: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


class Seekable(Readable, Protocol):
    """Be anything bytes can be read from at a position."""

    def seek(self, position: int, /) -> object:
        """Go to a position, counted from the start."""


def split_lines(
    stream: Readable, position: int = 0, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[int, bytes | None]]:
    r"""Yield each line's position and its bytes, without the newline.

    Lines end in \n alone (a \r before it stays); the last one needs none. A line of more than
    MAX_LINE_BYTES is yielded as None, and not held in memory.

    Args:
        stream: Read to its end.
        position: Where in its file the stream begins.
        block_bytes: How much is read at once.
    """
    start, pending, size = position, list[bytes](), 0
    while block := stream.read(block_bytes):
        *ended, tail = block.split(b"\n")
        for piece in ended:
            if size:
                pending.append(piece)
                size += len(piece)
                yield start, b"".join(pending) if size <= MAX_LINE_BYTES else None
                pending = []
            else:
                size = len(piece)
                yield start, piece
            start += size + 1
            size = 0
        size += len(tail)
        if size > MAX_LINE_BYTES:
            pending.clear()
        elif tail:
            pending.append(tail)
    if size:
        yield start, b"".join(pending) if size <= MAX_LINE_BYTES else None


def lines_in_range(
    stream: Seekable, first: int, last: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines that start in a range of a file's bytes, as `split_lines` does.

    Ranges that cover a file without overlap own each of its lines exactly once.

    Args:
        stream: The file.
        first: The range's first byte.
        last: The byte behind its last one.
        block_bytes: How much is read at once.
    """
    stream.seek(max(first - 1, 0))
    lines = split_lines(stream, max(first - 1, 0), block_bytes)
    if first:
        next(lines, None)  # the end of a line that starts before the range, or its newline
    for position, line in lines:
        if position >= last:
            return
        yield position, line


def count_newlines(stream: Readable, size: int) -> int:
    """Count the newlines in the next `size` bytes of a stream."""
    found = 0
    while size > 0 and (block := stream.read(min(size, BLOCK_BYTES))):
        found += block.count(b"\n")
        size -= len(block)
    return found


def decode(position: int, data: bytes | None) -> str | UnreadableLine:
    """Decode UTF-8, without the byte order mark a file may begin with.

    Args:
        position: Where in its file the data begins.
        data: A line, or None for one that was too long.

    Returns:
        The text, or the error that stands for it.
    """
    if data is None:
        return UnreadableLine(
            f"byte {position}: more than {MAX_LINE_BYTES >> 20} MiB in one piece; cut it up"
        )
    try:
        return (data.removeprefix(BOM) if position == 0 else data).decode()
    except UnicodeDecodeError as error:
        place = position + error.start + (len(data) - len(error.object))
        return UnreadableLine(
            f"byte {place}: 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        )
