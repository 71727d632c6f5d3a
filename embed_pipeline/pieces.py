"""Split a text into pieces that fit a model: exact substrings, by their offsets in characters."""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from embed_pipeline import boundaries
from embed_pipeline.errors import BadCharacter
from embed_pipeline.tokenizer import ModelTokenizer
from embed_pipeline.tokens import applied

LEAST_WINDOW = 256  # characters; more than the longest word a WordPiece tokenizer splits

Span = tuple[int, int]


def pieces(
    text: str, tokenizer: ModelTokenizer, max_tokens: int, overlap: int, prefix: str
) -> list[Span]:
    """Return where the pieces of a text start and end; a text that fits is one piece.

    A piece ends after a paragraph, else a sentence, a line, a word, a grapheme (see boundaries.py);
    a boundary counts if the piece up to it has at least half the tokens it may have. A grapheme
    that does not fit by itself, and no other, is cut, between two characters. What is shared by
    neighbors starts after the same kinds of boundaries, in its first half, or at a grapheme.

    The pieces cover the whole text, in order: each starts at the end of the one before it, or
    within it where they overlap, but behind its start. No piece is only white space: where that
    costs no tokens, it belongs to the piece before it (the first one, at the start of the text);
    where it does, pieces of nothing else, such as a long run of blanks gives, are left out.

    Every piece is counted as it is sent, for its tokens within the text may be others. Time is
    linear in the text; beside the first count of the whole, one piece's tokens are held at once.

    Args:
        text: Not empty, no lone surrogates.
        tokenizer: The model's.
        max_tokens: Tokens of a piece, at most, special tokens and prefix included.
        overlap: Tokens that neighboring pieces share, at most.
        prefix: What is put before each piece, or around it, when it is sent.

    Raises:
        BadCharacter: A character alone does not fit.
    """
    splitter = _Splitter(text, tokenizer, max_tokens, overlap, prefix)
    return [(0, len(text))] if splitter.fits(0, len(text)) else splitter.spans()


def split(
    text: str, tokenizer: ModelTokenizer, max_tokens: int, overlap: int, prefix: str
) -> list[Span]:
    """Return the pieces of a text that is known not to fit, as `pieces` does."""
    return _Splitter(text, tokenizer, max_tokens, overlap, prefix).spans()


class _Window(NamedTuple):
    """Hold the tokens of a part of the text that is longer than a piece, or reaches the end.

    Attributes:
        stop: Where the part ends.
        ends: Where its tokens end, ascending.
    """

    stop: int
    ends: list[int]


class _Splitter:
    def __init__(
        self, text: str, tokenizer: ModelTokenizer, max_tokens: int, overlap: int, prefix: str
    ) -> None:
        self._text = text
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._overlap = overlap
        self._prefix = prefix
        self._special, blanks, frame = tokenizer.count(["", " \n\t", applied(prefix, "")])
        self._blanks_are_free = blanks == self._special
        self._room = max(1, max_tokens - frame)
        self._guess = 4 * self._room  # characters of a piece

    def fits(self, start: int, end: int) -> bool:
        """Tell whether a piece fits."""
        return self._excess(start, end) <= 0

    def spans(self) -> list[Span]:
        """Return the pieces."""
        found = []
        start = covered = 0
        while covered < len(self._text):
            window = self._window(start)
            end = self._end(start, covered, window)
            if end is None:  # no more than what is shared would fit
                start = covered
                continue
            self._guess = (end - start) * 5 // 4
            if not self._text[start:end].isspace():
                found.append((start, end))
            start, covered = self._shared(start, end, window), end
        return found

    def _excess(self, start: int, end: int) -> int:
        """Return how many tokens a piece has too many; at most 0 if it fits."""
        return self._count(applied(self._prefix, self._text[start:end])) - self._max_tokens

    def _count(self, text: str) -> int:
        return self._tokenizer.count([text])[0]

    def _window(self, start: int) -> _Window:
        """Return more tokens than a piece may have, or all that are left."""
        size = max(self._guess, LEAST_WINDOW)
        while True:
            stop = min(start + size, len(self._text))
            ends = [start + end for end in self._tokenizer.ends(self._text[start:stop])]
            if len(ends) > self._room or stop == len(self._text):
                return _Window(stop, ends)
            size *= 2

    def _end(self, start: int, covered: int, window: _Window) -> int | None:
        """Return where a piece ends: behind `covered`, or None where no such piece fits.

        A piece that starts at `covered` always has an end.
        """
        tokens = self._room
        first = None
        while (end := self._candidate(start, covered, window, tokens)) is not None:
            excess = self._excess(start, end)
            if excess <= 0:
                return end
            first = first or end
            tokens = min(tokens, bisect_left(window.ends, end) + 1) - excess
        return None if start < covered else self._halved(start, first or window.stop, window.stop)

    def _candidate(self, start: int, covered: int, window: _Window, tokens: int) -> int | None:
        """Return the best end of a piece of so many tokens of the window, or None."""
        ends = window.ends
        if tokens >= len(ends) and window.stop == len(self._text) and tokens > 0:
            return len(self._text)
        while 0 < tokens < len(ends) and ends[tokens - 1] == ends[tokens]:
            tokens -= 1  # the next token is of the same character
        shared = bisect_right(ends, covered) if covered > start else 0
        if tokens <= shared:
            return None
        limit = ends[tokens - 1]
        if self._blanks_are_free:
            limit = boundaries.after_blanks(self._text, limit)
        half = (tokens + shared + 1) // 2  # so that what is new has at least half the tokens it may
        floor = max(covered + 1, ends[half - 1])
        end = boundaries.last_boundary(self._text, start, floor, limit)
        return None if end is None or end <= covered else end

    def _halved(self, start: int, end: int, stop: int) -> int:
        """Return an end that fits where the tokens of the whole say nothing of those of a part."""
        body = boundaries.after_blanks(self._text, start) if self._blanks_are_free else start
        body = boundaries.last_grapheme(self._text, start, body) or start
        sizes = [(end - body) >> shift for shift in range(1, (end - body).bit_length())]
        for size in sizes:
            found = boundaries.last_grapheme(self._text, body, body + size)
            if found is not None and self.fits(start, found):
                return self._with_blanks(start, found)
        end = boundaries.first_grapheme(self._text, body, stop)
        while not self.fits(start, end):
            if end - body == 1:
                raise BadCharacter(self._problem(body))
            end = body + (end - body) // 2
        return self._with_blanks(start, end)

    def _with_blanks(self, start: int, end: int) -> int:
        """Return the end of a piece with the white space after it, where that costs nothing."""
        if not self._blanks_are_free:
            return end
        after = boundaries.after_blanks(self._text, end)
        after = boundaries.last_grapheme(self._text, end, after) or end
        return after if self.fits(start, after) else end

    def _problem(self, place: int) -> str:
        character = self._text[place]
        count = self._count(applied(self._prefix, character))
        return (
            f"the character U+{ord(character):04X} at character {place} takes {count} tokens with "
            f"the prefix and the special tokens, and a piece may have {self._max_tokens}; raise "
            "chunking.max_tokens, or shorten the prefix"
        )

    def _shared(self, start: int, end: int, window: _Window) -> int:
        """Return where the next piece starts: at the end of this one, or within it."""
        number = bisect_right(window.ends, end)
        share = min(self._overlap, number - 1)
        while share > 0:
            low = window.ends[number - share - 1]
            found = boundaries.first_boundary(self._text, start, low, end)
            excess = self._count(self._text[found:end]) - self._special - self._overlap
            if excess <= 0:
                return found
            share -= excess
        return end
