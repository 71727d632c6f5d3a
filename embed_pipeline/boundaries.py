r"""Where a text may be cut: after a paragraph, a sentence, a line, a word, or else a grapheme.

Every boundary stands after the white space that follows, so that this goes with what is before it.
Sentence ends are those of Unicode's property Sentence_Terminal, and the ellipsis: `.`, `!`, `?` and
`…` where white space follows, and for the two that also stand within a sentence no lower case after
it; those of other scripts (`。`, `؟`, `।`, ...) anywhere. Quotes and brackets that close go with
them. Graphemes are the extended clusters of Unicode's annex 29, `\X` of the library `regex`.
"""

from collections import deque
from collections.abc import Iterator

import regex

_WHOLE = r"(?![\p{GCB=EX}\p{GCB=SM}\p{GCB=ZWJ}])"  # no mark follows, so a grapheme ends here
_CLOSING = r"[\"'\p{Pe}\p{Pf}\p{Pi}]*+"
_PARAGRAPH = rf"(?:\n[^\S\n]*+\n|\u2029)\s*+{_WHOLE}"
_SENTENCE = (
    rf"(?:[.…]{_CLOSING}\s++(?!\p{{Ll}})|[!?]{_CLOSING}\s++"
    rf"|[\p{{STerm}}--[.!?]]++[\p{{Pe}}\p{{Pf}}]*+\s*+){_WHOLE}"
)
_LINE = rf"[\n\v\f\r\x85\u2028]\s*+{_WHOLE}"
_WORD = rf"[\s\u200b]++{_WHOLE}"  # the zero width space parts words in scripts without others
_PREFERRED = [regex.compile(pattern, regex.V1) for pattern in (_PARAGRAPH, _SENTENCE, _LINE, _WORD)]
_RUN = 16  # characters before the floor that may belong to a boundary behind it
_GRAPHEME = regex.compile(r"\X")
_PLAIN = regex.compile(r"(?r)(?<=\p{GCB=XX})(?=\p{GCB=XX})")  # nothing before these two matters
_BLANKS = regex.compile(r"\s*+")


def after_blanks(text: str, place: int, limit: int | None = None) -> int:
    """Return where the white space at a place ends, at most `limit`."""
    found = _BLANKS.match(text, place, limit)
    return place if found is None else found.end()


def last_boundary(text: str, start: int, floor: int, limit: int) -> int | None:
    """Return where a piece of a text best ends.

    Args:
        text: The text.
        start: Where the piece starts: at the start of a grapheme.
        floor: Where boundaries start to count, other than those of graphemes.
        limit: Where the piece ends, at the latest.

    Returns:
        The last boundary of the best kind there is, at most `limit`; None where the piece's first
        grapheme ends behind it.
    """
    end = last_grapheme(text, start, limit)
    if end is None:
        return None
    for pattern in _PREFERRED:
        last = deque(pattern.finditer(text, max(start, floor - _RUN), end), maxlen=1)
        if last and last[0].end() >= floor:
            return last[0].end()
    return end


def first_boundary(text: str, start: int, floor: int, limit: int) -> int:
    """Return where a piece that shares text with the one before it best starts.

    Args:
        text: The text.
        start: The start of some grapheme before `floor`.
        floor: Where the piece starts, at the earliest.
        limit: Where the piece before it ends: its start at the latest.

    Returns:
        The first boundary of the best kind that lies in the first half, or else of graphemes.
    """
    middle = floor + (limit - floor) // 2
    for pattern in _PREFERRED:
        found = pattern.search(text, floor, limit)
        if found is not None and found.end() <= middle:
            return found.end()
    floor = after_blanks(text, floor, limit)
    if floor >= limit:
        return limit
    known = _known_end(text, start, floor)
    return next(end for end in (known, *_ends(text, known, limit), limit) if end >= floor)


def last_grapheme(text: str, start: int, limit: int) -> int | None:
    """Return the last end of a grapheme behind `start`, at most `limit`; None if there is none."""
    if limit >= len(text):
        return len(text)
    known = _known_end(text, start, limit)
    end = max(_ends(text, known, limit), default=known)
    return end if end > start else None


def first_grapheme(text: str, start: int, limit: int) -> int:
    """Return where the grapheme at a place ends, or `limit` where it does not end before that."""
    return next(_ends(text, start, limit), limit)


def _known_end(text: str, start: int, place: int) -> int:
    """Return the last place, at most `place`, where a grapheme surely ends; `start` at least."""
    found = _PLAIN.search(text, start, place + 1)
    return start if found is None else found.end()


def _ends(text: str, start: int, limit: int) -> Iterator[int]:
    """Return where graphemes end, from the start of one until at most `limit`.

    Only that part is searched: for each flag the library counts all flags before it.
    """
    for found in _GRAPHEME.finditer(text[start : limit + 1]):
        if start + found.end() > limit:
            return
        yield start + found.end()
