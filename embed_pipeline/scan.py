"""Look at a corpus before any work: the types of its attributes, and how much there is to do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa

from embed_pipeline import files
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.corpus import Corpus
from embed_pipeline.delimited import DELIMITERS
from embed_pipeline.fields import Fields
from embed_pipeline.files import FileInfo
from embed_pipeline.formats import detect, readable
from embed_pipeline.lines import BLOCK_BYTES
from embed_pipeline.parquet_rows import read_footer
from embed_pipeline.reading import rows
from embed_pipeline.shards import Part

SAMPLE_ROWS = 1000
SAMPLE_FILES = 100
_PACKED_BYTES = 1 << 19  # decompressing reads ahead: less than this would tell too high a ratio


@dataclass(frozen=True, slots=True)
class Scan:
    """Hold what is known of a corpus before it is read.

    Attributes:
        types: The attributes' types: the schema of the dataset.
        documents: How many rows the corpus has, at most `corpus.limit`.
        exact: Whether they were counted, not estimated from the bytes a sampled row takes.
        nulls: The attributes that were null wherever they were seen, so that their type, a string,
            is no more than a guess.
    """

    types: AttributeTypes
    documents: int
    exact: bool
    nulls: frozenset[str] = frozenset()


def infer(corpus: Corpus, found: Sequence[FileInfo]) -> Scan:
    """Infer the schema of the attributes, and how many documents there are, from a sample.

    The sample is the first 100 files and at most 100 more, evenly spread over the rest; the whole
    schema of a Parquet file, and the first 1,000 rows of any other. The types are those of
    `corpus.attributes` where it declares them. Otherwise columns of Parquet keep theirs
    (`parquet_rows.attribute_type`), those of CSV are strings, JSON values are int64, double, bool
    or string, nested ones strings that hold JSON. Integers and floats make a double; where types
    contradict each other, the first that was seen wins, and the rows that do not fit fail later.
    What is always null is a string. Hive folders are int64 where all their values are integers
    written without leading zeros, else strings.

    Args:
        corpus: The settings.
        found: The files, as `find_files` returns them.

    Raises:
        ConfigError: No sampled row can be read or has the text or the id; an attribute that is
            asked for by name is nowhere; a Parquet column has no type an attribute could have, or
            contradicts another file's.
        DatasetError: A file cannot be read.
    """
    fields = Fields(corpus)
    count = _Count()
    sampled = _sample(found)
    for file in found:
        kind, compression = detect(file.path, corpus.format)
        part = Part(file.path, "", kind, compression)
        if kind == "text" and corpus.text_per == "file":
            count.add(1)
        elif file.path not in sampled:
            count.unseen_bytes += file.size
        elif kind == "parquet":
            schema, groups = read_footer(file.path)
            fields.add_schema(file.path, schema)
            count.add(sum(groups), file.size)
        else:
            _sample_rows(corpus, part, file.size, fields, count)
    fields.add_folders(found)
    return replace(count.scan(fields.finish(), corpus.limit), nulls=fields.nulls)


def _sample(found: Sequence[FileInfo]) -> set[str]:
    rest = found[SAMPLE_FILES:]
    step = -(-len(rest) // SAMPLE_FILES) or 1
    return {file.path for file in (*found[:SAMPLE_FILES], *rest[::step])}


def _sample_rows(corpus: Corpus, part: Part, size: int, fields: Fields, count: "_Count") -> None:
    """Look at the first rows of a file, and count them or estimate how many there are."""
    reader = rows(corpus, part)
    sample = list(islice(reader, SAMPLE_ROWS))
    if part.format != "text":
        fields.add_rows(part.path, sample, untyped=part.format in DELIMITERS)
    if next(reader, None) is None:
        count.add(len(sample), size)
        return
    read = _stored_bytes(part, sample[-1][0])
    count.estimate(len(sample), round(size * len(sample) / read), size)


def _stored_bytes(part: Part, lines: int) -> float:
    """Return about how many bytes of a file its first lines take, compressed as they are."""
    with readable(part.path), files.open_input(part.path) as raw:
        stream = pa.CompressedInputStream(raw, part.compression) if part.compression else raw
        plain, ends = 0, 0
        while block := stream.read(BLOCK_BYTES):
            if lines:
                found = min(block.count(b"\n"), lines)
                ends = plain + len(b"\n".join(block.split(b"\n", found)[:found])) + 1
                lines -= found
            plain += len(block)
            if not lines and (not part.compression or raw.tell() >= _PACKED_BYTES):
                break
        return ends * float(raw.tell()) / plain


@dataclass
class _Count:
    """Count documents, those of unsampled files by the bytes a sampled document takes."""

    documents: int = 0
    surely: int = 0
    seen_bytes: int = 0
    seen_documents: int = 0
    unseen_bytes: int = 0
    exact: bool = True

    def add(self, documents: int, size: int = 0) -> None:
        """Count the documents of a file."""
        self.documents += documents
        self.surely += documents
        self.seen_bytes += size
        self.seen_documents += documents if size else 0

    def estimate(self, seen: int, documents: int, size: int) -> None:
        """Count the documents of a file of which only the first are known."""
        self.add(max(documents, seen + 1), size)
        self.surely -= max(documents, seen + 1) - seen - 1
        self.exact = False

    def scan(self, types: AttributeTypes, limit: int | None) -> Scan:
        """Return the result."""
        unseen = 0
        if self.unseen_bytes:
            unseen = round(self.unseen_bytes * self.seen_documents / max(self.seen_bytes, 1))
        documents, exact = self.documents + unseen, self.exact and not self.unseen_bytes
        if limit is not None and (exact or limit <= self.surely):
            return Scan(types, min(documents, limit), exact=True)
        return Scan(types, documents if limit is None else min(documents, limit), exact)
