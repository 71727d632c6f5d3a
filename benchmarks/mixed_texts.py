"""Real texts of mixed scripts, as they lie about on any Linux machine.

    python -m benchmarks.mixed_texts

Documentation strings of the standard library and of installed packages, licences, translations of
programs into every language there is, names of files. Nothing is downloaded; what is missing on a
machine is left out. The same machine always gives the same texts.
"""

import ast
import gettext
import hashlib
import itertools
import os
import site
import sys
import sysconfig
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

COUNT = 20_000
LONGEST = 6_000  # characters; a longer licence is cut into pieces between paragraphs
FEW = 20  # texts one module or translated program gives, so that many occur


def mixed_texts(count: int = COUNT) -> list[str]:
    """Return different real texts, of every kind and script mixed, in an order that never changes.

    They have a visible character at least, no NUL and no lone surrogate, and from one word to
    several thousand characters. Where the machine holds fewer, fewer are returned.
    """
    texts = itertools.chain.from_iterable(texts_by_kind(count).values())
    return sorted(texts, key=lambda text: _rank(f"order {text}"))  # not as they were chosen


def texts_by_kind(count: int = COUNT) -> dict[str, list[str]]:
    """Return the same texts, by kind; what one kind lacks, the kinds after it make up for."""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    wanted = 0.0
    for kind, (share, source) in KINDS.items():
        wanted += share * count
        found[kind] = list(itertools.islice(_fresh(source(), seen), round(wanted)))
        wanted -= len(found[kind])
    return found


def scripts(texts: Iterable[str]) -> dict[str, int]:
    """Count texts by the script most of their letters are of, the most frequent first."""
    counts: Counter[str] = Counter()
    for text in texts:
        letters = Counter(_script(letter) for letter in text if letter.isalpha())
        counts[letters.most_common(1)[0][0] if letters else "none"] += 1
    return dict(counts.most_common())


@cache
def _script(letter: str) -> str:
    """Return the first word of a letter's Unicode name, which is its script."""
    return unicodedata.name(letter, "unnamed").partition(" ")[0].partition("-")[0].lower()


def _licences() -> Iterator[str]:
    """Yield licences, those beyond LONGEST characters in pieces, and the paragraphs of all."""
    common = "/usr/share/common-licenses"
    beginnings = ("licen", "copying", "notice", "authors")
    paths = [
        path
        for folder in [common, *_package_folders()]
        for path in _files(folder)
        if folder == common or _name(path).lower().startswith(beginnings)
    ]
    for path in sorted(paths, key=_rank):
        if Path(path).suffix.lower() in ("", ".txt", ".md", ".rst"):
            yield from _pieces(_read(path))


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces of LONGEST characters at most, and its paragraphs."""
    piece = ""
    for paragraph in text.split("\n\n"):
        yield paragraph.strip()[:LONGEST]
        if len(piece) + len(paragraph) + 2 > LONGEST:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{paragraph}" if piece else paragraph[:LONGEST]
    yield piece


def _translations() -> Iterator[str]:
    """Yield what programs say, from one language after the other, as long as any has more."""
    prefixes = {sys.prefix, sys.base_prefix, "/usr", "/usr/local"}
    folders = [f"{prefix}/share/locale" for prefix in sorted(prefixes)]
    languages: dict[str, list[str]] = {}
    for folder in [*folders, *_package_folders()]:
        for path in _files(folder):
            if path.endswith(".mo"):
                languages.setdefault(Path(path).parent.parent.name, []).append(path)
    streams = [_messages(languages[language]) for language in sorted(languages)]
    for texts in itertools.zip_longest(*streams, fillvalue=""):
        yield from texts


def _messages(paths: list[str]) -> Iterator[str]:
    """Yield the messages of one language: FEW of each program and, as one text, many of them."""
    for path in sorted(paths, key=_rank):
        try:
            with Path(path).open("rb") as file:
                catalog = vars(gettext.GNUTranslations(file))["_catalog"]
        except (OSError, ValueError, LookupError):  # damaged, or in a charset Python does not have
            continue
        said = [text for key, text in catalog.items() if key]
        chosen = sorted(said, key=_rank)[:FEW]
        chosen.append(_joined(said, 100 + int.from_bytes(_rank(path)[:2]) % (LONGEST - 100)))
        yield from sorted(chosen, key=_rank)


def _joined(said: list[str], longest: int) -> str:
    """Return a program's messages in their own order, as many as fit: long texts in any script."""
    ends = itertools.accumulate(len(text) + 1 for text in said)
    return "\n".join(itertools.islice(said, sum(end <= longest for end in ends)))


def _documentation() -> Iterator[str]:
    """Yield the documentation strings of installed modules, read without running them."""
    folders = [sysconfig.get_path("stdlib"), *_package_folders()]
    paths = {path for folder in folders for path in _files(folder) if path.endswith(".py")}
    for path in sorted(paths, key=_rank):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's escapes
            try:
                tree = ast.parse(_read(path))
            except (SyntaxError, ValueError, RecursionError, MemoryError):  # tests of parsers
                continue
        found = [
            (ast.get_docstring(node) or "")[:LONGEST]
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        yield from sorted(filter(None, found), key=_rank)[:FEW]


def _file_names() -> Iterator[str]:
    """Yield names of files, and their paths below the folder they were looked for in."""
    folders = ["/usr/share", sysconfig.get_path("stdlib"), *_package_folders()]
    paths = {path.removeprefix(f"{at}/") for at in folders for path in _files(at)}
    yield from sorted(paths | set(map(_name, paths)), key=_rank)


def _package_folders() -> list[str]:
    """Return where packages are installed."""
    named = [*site.getsitepackages(), *sysconfig.get_paths().values()]
    named += ["/usr/lib/python3/dist-packages"]
    return sorted({name for name in named if name.endswith("-packages")})


@cache
def _files(folder: str) -> tuple[str, ...]:
    """Return the files below a folder, sorted; none where it does not exist."""
    walk = os.walk(folder)  # passes over what may not be read
    return tuple(sorted(f"{at}/{name}" for at, _, names in walk for name in names))


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return ""


def _fresh(texts: Iterable[str], seen: set[str]) -> Iterator[str]:
    """Yield the texts that can be sent and were not seen before; they are seen from then on."""
    for text in texts:
        if text not in seen and _sendable(text):
            seen.add(text)
            yield text


def _sendable(text: str) -> bool:
    """Tell whether a text has something to embed and can be sent as JSON everywhere."""
    surrogates = any("\ud800" <= letter <= "\udfff" for letter in text)
    return bool(text.strip()) and "\0" not in text and not surrogates


def _rank(text: str) -> bytes:
    """Return a key to sort by: the same on every run, and without regard to what a text says."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


# The last kinds are found in any number on any machine.
KINDS: dict[str, tuple[float, Callable[[], Iterator[str]]]] = {
    "licences": (0.1, _licences),
    "translations": (0.45, _translations),
    "documentation": (0.35, _documentation),
    "file names": (0.1, _file_names),
}


def main() -> None:
    """Tell what this machine holds."""
    kinds = texts_by_kind()
    print({kind: len(texts) for kind, texts in kinds.items()})
    print(scripts(itertools.chain.from_iterable(kinds.values())))


if __name__ == "__main__":
    main()
