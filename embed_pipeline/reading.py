"""Read the documents of a shard; what cannot be one becomes a failure with its place and reason."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, islice
from typing import Any

from embed_pipeline import files
from embed_pipeline.attributes import AttributeTypes, fit, from_strings, refuse_unknown
from embed_pipeline.corpus import Corpus
from embed_pipeline.delimited import DELIMITERS, delimited_rows
from embed_pipeline.documents import attributes_json, storable
from embed_pipeline.errors import BadCharacter, DocumentError, MissingField, WrongType
from embed_pipeline.formats import Row, json_rows, readable, text_lines, whole_text
from embed_pipeline.keys import key
from embed_pipeline.lines import count_newlines
from embed_pipeline.locations import split_options
from embed_pipeline.parquet_rows import hive_values, parquet_rows
from embed_pipeline.records import Document, Failed
from embed_pipeline.shards import Part, Shard


def read(corpus: Corpus, shard: Shard) -> Iterator[Document | Failed]:
    """Read the documents of a shard, in the order of its files and their rows.

    A document's id, where `corpus.id` is empty, is the sha256 of its file's name in the corpus and
    its text. That of a whole text file is the file's name; that of a line of a text file is the
    sha256 of the file's name, the line and, from its second occurrence in the file on, the number
    of the occurrence: no id depends on a position. For that about 100 bytes a line are held while
    such a file is read. `line` is None in a JSON Lines file's later ranges, where counting would
    mean reading all that goes before; a failure there is worth it and has its line.

    Args:
        corpus: The settings. Where its attributes are declared, they are checked against that.
        shard: One of `split`'s.

    Yields:
        Each document, and for each row that is none, or a bad one, a failure of stage "read".
        With a limit no more than so many of both.

    Raises:
        ConfigError: A file is not what its format promises, as a whole.
        DatasetError: A file cannot be read.
    """
    results = chain.from_iterable(map(partial(read_part, corpus), shard.parts))
    return results if corpus.limit is None else islice(results, corpus.limit)


def read_part(corpus: Corpus, part: Part) -> Iterator[Document | Failed]:
    """Read the documents of a part of a file, as `read` does but without a limit."""
    reader = _PartReader(corpus, part)
    make = reader.make_text if part.format == "text" else reader.make
    numbered = part.format != "jsonl" or part.first == 0
    for number, values in rows(corpus, part):
        if isinstance(values, DocumentError):
            yield reader.fail(number, {}, values)
            continue
        try:
            yield make(values, number if numbered else None)
        except DocumentError as error:
            yield reader.fail(number, values, error)


def rows(corpus: Corpus, part: Part) -> Iterator[Row]:
    """Yield the rows of a part of a file, whatever its format; plain text has the field "text"."""
    path, compression = part.path, part.compression
    if part.format == "jsonl":
        return json_rows(path, compression, part.first, part.last)
    if part.format == "parquet":
        return parquet_rows(path, corpus.reads, part.first, part.last)
    if part.format != "text":
        return delimited_rows(path, compression, DELIMITERS[part.format])
    if corpus.text_per == "line":
        lines = text_lines(path, compression)
    else:
        lines = iter([(1, whole_text(path, compression))])
    return ((line, {"text": text} if isinstance(text, str) else text) for line, text in lines)


class _PartReader:
    """Make documents of a part's rows."""

    def __init__(self, corpus: Corpus, part: Part) -> None:
        self.part = part
        self.source = split_options(part.path)[0]
        self.per_line = corpus.text_per == "line"
        self.template = corpus.template
        self.text_name = corpus.text
        self.id_name = corpus.id
        self.types = corpus.types
        self.strings = _string_types(corpus, part)
        self.skipped = corpus.skipped
        self.named = corpus.attributes if isinstance(corpus.attributes, list) else []
        self.known = frozenset(self.types or ()) | (self.skipped or frozenset())
        self.occurrences: dict[bytes, int] = {}
        self.lines_before: int | None = None

    def make(self, values: dict[str, Any], line: int | None) -> Document:
        """Return the document of a row with fields."""
        text = self.template.render(values) if self.template else values.get(self.text_name)
        if type(text) is not str:
            raise self._no_text(text)
        identity = values.get(self.id_name) if self.id_name else key(self.part.name, text)
        if type(identity) is not str or not identity or not identity.isascii():
            identity = self._checked_id(identity)
        return Document(identity, text, self.attributes(values), self.source, line)

    def make_text(self, values: dict[str, Any], line: int | None) -> Document:
        """Return the document of a plain text."""
        text = values["text"]
        whole = self.template.render(values) if self.template else text
        if self.per_line:
            identity = self._line_id(text)
        else:
            identity = self.part.name if self.id_name else key(self.part.name, text)
        attributes = fit({}, self.types) if self.types else {}
        return Document(identity, whole, attributes, self.source, line)

    def attributes(self, values: dict[str, Any]) -> Mapping[str, Any]:
        """Return a row's attributes: those asked for, in their declared types if they have any."""
        if self.types is not None:
            if self.strings:
                from_strings(values, self.strings)
            if self.skipped is not None and not values.keys() <= self.known:
                refuse_unknown(values.keys() - self.known, values)
            return fit(values, self.types)
        if self.skipped is not None:
            return {name: value for name, value in values.items() if name not in self.skipped}
        return {name: values[name] for name in self.named if name in values}

    def fail(self, number: int, values: dict[str, Any], error: DocumentError) -> Failed:
        """Return the failure of a row."""
        line = self._locate(number)
        text = values.get(self.text_name if self.part.format != "text" else "text")
        identity = values.get(self.id_name) if self.id_name else None
        others = {name: value for name, value in values.items() if name not in (
            self.text_name, self.id_name)}  # fmt: skip
        return Failed(
            id=storable(str(identity)) if isinstance(identity, str | int) else None,
            text=storable(text) if isinstance(text, str) else None,
            attributes=attributes_json(others),
            source=self.source,
            line=line,
            stage="read",
            kind=type(error).__name__,
            blame="document",
            message=storable(f"{self.source}:{line}: {error}"),
        )

    def _locate(self, number: int) -> int:
        """Return a row's line in its file; counts the lines before the part when first needed."""
        if self.part.format != "jsonl" or self.part.first == 0:
            return number
        if self.lines_before is None:
            with readable(self.part.path), files.open_input(self.part.path) as stream:
                # the newline that ends the line before the range's first is at first - 1 or later
                self.lines_before = count_newlines(stream, self.part.first - 1) + 1
        return self.lines_before + number

    def _line_id(self, text: str) -> str:
        digest = hashlib.sha256(text.encode()).digest()[:16]
        seen = self.occurrences[digest] = self.occurrences.get(digest, 0) + 1
        return key(self.part.name, text) if seen == 1 else key(self.part.name, text, str(seen))

    def _no_text(self, text: Any) -> DocumentError:
        if text is None:
            return MissingField(
                f"no field {self.text_name!r} with a text; name the right one in corpus.text"
            )
        return WrongType(
            f"the text, field {self.text_name!r}, is of type {type(text).__name__}, not a string"
        )

    def _checked_id(self, identity: Any) -> str:
        if type(identity) is int:
            return str(identity)
        if identity is None or identity == "":
            raise MissingField(
                f"no field {self.id_name!r} with an id; name the right one in corpus.id, or set it "
                'to "" for ids made of the texts'
            )
        if not isinstance(identity, str):
            raise WrongType(
                f"the id, field {self.id_name!r}, is of type {type(identity).__name__}; it must be "
                "a string or an integer"
            )
        try:
            identity.encode()
        except UnicodeEncodeError as error:
            raise BadCharacter(f"the id, field {self.id_name!r}, holds a lone surrogate") from error
        return identity


def _string_types(corpus: Corpus, part: Part) -> AttributeTypes:
    """Return the declared types of what the part's format has as strings only."""
    types = corpus.types or {}
    if part.format in DELIMITERS:
        return types
    folders = hive_values(part.path) if part.format == "parquet" else {}
    return {name: kind for name, kind in types.items() if name in folders}
