"""The fields of a corpus as a sample shows them, and the schema they make."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from embed_pipeline.attributes import AttributeType, AttributeTypes, contradict, merge, type_of
from embed_pipeline.corpus import Corpus
from embed_pipeline.errors import ConfigError, DocumentError
from embed_pipeline.files import FileInfo
from embed_pipeline.formats import Row, detect
from embed_pipeline.parquet_rows import attribute_type, hive_values, is_string


@dataclass
class Fields:
    """Collect the fields seen in a sample of a corpus, and the types of its attributes.

    Attributes:
        corpus: The settings.
        types: The attributes in the order they were first seen; None while always null.
        origin: The first Parquet file that gave each attribute a type.
        seen: The names of all fields.
        rows: How many rows with fields there were, a Parquet file counting as one.
        fault: What was wrong with the first row that could not be read.
    """

    corpus: Corpus
    types: dict[str, AttributeType | None] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    rows: int = 0
    fault: str = ""

    def add_rows(self, path: str, sample: Iterable[Row], *, untyped: bool = False) -> None:
        """Take the rows of a sample; without types all values are strings."""
        for number, values in sample:
            if isinstance(values, dict):
                self.rows += 1
                for name, value in values.items():
                    self._add(name, "string" if untyped else type_of(value))
            elif isinstance(values, DocumentError):
                self.fault = self.fault or f"{path}:{number}: {values}"

    def add_schema(self, path: str, schema: pa.Schema) -> None:
        """Take the columns of a Parquet file."""
        self.rows += 1
        folders = hive_values(path)
        for name in (*self.corpus.text_fields, self.corpus.id):
            if name and name not in folders:
                self._check_column(path, name, schema)
        if self.corpus.types is None:
            for name in filter(self._is_attribute, schema.names):
                self._add_column(path, name, schema.field(name).type)
        self.seen.update(schema.names)

    def _add_column(self, path: str, name: str, kind: pa.DataType) -> None:
        wanted = None if pa.types.is_null(kind) else attribute_type(kind)
        if wanted is None and not pa.types.is_null(kind):
            raise ConfigError(
                f"{path}: column {name!r} is of type {kind}, which an attribute cannot have; leave "
                f'it out (corpus.attributes: ["-{name}"])'
            )
        before = self.types.get(name)
        if wanted and before and contradict(before, wanted):
            raise ConfigError(
                f"column {name!r} is {before} in {self.origin[name]}, but {wanted} in {path}; "
                f"declare it in corpus.attributes ({name}: string), or leave it out (-{name})"
            )
        if wanted:
            self.origin.setdefault(name, path)
        self._add(name, wanted)

    def add_folders(self, found: Sequence[FileInfo]) -> None:
        """Take the columns that folders of Parquet files stand for."""
        folders: dict[str, AttributeType | None] = {}
        for file in found:
            if detect(file.path, self.corpus.format)[0] != "parquet":
                continue
            for name, value in hive_values(file.path).items():
                if value is not None and folders.get(name) != "string":
                    folders[name] = "int64" if _is_integer(value) else "string"
                else:
                    folders.setdefault(name, None)
        for name in folders.keys() - self.types.keys():
            self._add(name, folders[name])

    def finish(self) -> AttributeTypes:
        """Return the schema, after the checks that need all of the sample."""
        corpus = self.corpus
        if self.fault and not self.rows:
            raise ConfigError(f"no row of the sample can be read; the first: {self.fault}")
        if self.rows:
            needed = (*corpus.text_fields, *([corpus.id] if corpus.id else []))
            listed = corpus.attributes if isinstance(corpus.attributes, list) else []
            plain = [name for name in listed if not name.startswith("-")]
            self._require(needed, 'set corpus.text and corpus.id ("" = made of the texts)')
            self._require(plain, "correct corpus.attributes, or declare it there with its type")
        if corpus.types is not None:
            return corpus.types
        return {name: kind or "string" for name, kind in self.types.items()}

    @property
    def nulls(self) -> frozenset[str]:
        """Return the attributes that were always null, and are not declared."""
        declared = self.corpus.types or {}
        return frozenset(n for n, kind in self.types.items() if kind is None and n not in declared)

    def _is_attribute(self, name: str) -> bool:
        skipped = self.corpus.skipped
        if skipped is None:
            return name in (self.corpus.attributes or ())
        return name not in skipped

    def _add(self, name: str, kind: AttributeType | None) -> None:
        if name in self.types:
            if kind is not None:
                self.types[name] = merge(self.types[name] or kind, kind)
        elif name not in self.seen:
            self.seen.add(name)
            if self._is_attribute(name):
                self.types[name] = kind

    def _check_column(self, path: str, name: str, schema: pa.Schema) -> None:
        if name not in schema.names:
            raise ConfigError(
                f"{path} has no column {name!r}, but {', '.join(schema.names)}; set corpus.text "
                'and corpus.id ("" = made of the texts)'
            )
        kind = schema.field(name).type
        is_id = name == self.corpus.id
        if not (is_string(kind) or ((is_id or self.corpus.template) and _is_number(kind))):
            raise ConfigError(f"{path}: column {name!r} is of type {kind}, not string")

    def _require(self, names: Iterable[str], cure: str) -> None:
        missing = [name for name in names if name not in self.seen]
        if missing:
            raise ConfigError(
                f"no row of the sample has the field {missing[0]!r}; the fields are "
                f"{', '.join(sorted(self.seen))}; {cure}"
            )


def _is_number(kind: pa.DataType) -> bool:
    return attribute_type(kind) in ("int64", "double") and not pa.types.is_floating(kind)


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdigit() and str(int(text)) == text and abs(int(text)) < 2**63
