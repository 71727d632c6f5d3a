"""The dataset every reader opens: 300 rows with attributes, nulls and Unicode, of a real run."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from embed_pipeline.pipelines.cli import invoke
from tests.support.scripted import scripted, tokens_of, vector_of

DIMENSION = 384
ROWS = 300
TYPES = ("float32", "float16", "list<float>")
ENCODINGS = ("plain", "byte_stream_split")
QUERIES = tuple(vector_of(text, DIMENSION) for text in ("first query", "second query", "third"))
NEAREST = (
    ["doc-160", "doc-147", "doc-286", "doc-284", "doc-022"],
    ["doc-061", "doc-273", "doc-168", "doc-105", "doc-172"],
    ["doc-230", "doc-066", "doc-024", "doc-126", "doc-124"],
)
Told = dict[str, Any]  # what Spark finds in each folder, and its version
_ENDS = ("", " naïve Straße", " 東京 🌍", ' "quoted", \\N and \\t', " two\nlines\tand a tab", " é́")


class Sample(NamedTuple):
    """Name a dataset.

    Attributes:
        data: Its folder of rows.
        vector_type: As the job's setting.
        encoding: As the job's `vector_encoding`.
    """

    data: str
    vector_type: str
    encoding: str


def document(number: int) -> dict[str, Any]:
    """Return a document; each attribute is null in some, and `serial` too large for a double."""
    return {
        "id": f"doc-{number:03d}",
        "text": f"text {number}{_ENDS[number % len(_ENDS)]}",
        "serial": None if number % 7 == 3 else 2**53 + number,
        "weight": None if number % 5 == 2 else number / 8,
        "open": None if number % 3 == 1 else number % 2 == 0,
        "label": None if number % 4 == 3 else _ENDS[number % len(_ENDS)],
    }


def expected(number: int) -> dict[str, Any]:
    """Return the row of a document, without its vector."""
    found = document(number)
    count = {"token_count": tokens_of(found["text"]), "token_count_source": "server"}
    return {**found, "model": "all-minilm", **count, "truncated": False}


def vectors(vector_type: str) -> NDArray[np.float32]:
    """Return the vectors of all rows as they are stored; shape (rows, dimension)."""
    exact = np.stack([vector_of(document(n)["text"], DIMENSION) for n in range(ROWS)])
    return exact.astype(np.float16).astype(np.float32) if vector_type == "float16" else exact


def make(folder: Path, vector_type: str, encoding: str) -> Sample:
    """Write the dataset with the project's own command."""
    folder.mkdir()
    corpus = folder / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(document(n)) + "\n" for n in range(ROWS)))
    with scripted() as endpoint:
        endpoint.dimension = DIMENSION
        job = {
            "corpus": {"files": str(corpus)},
            "endpoint": {"url": endpoint.url, "model": "all-minilm"},
            "batching": {"max_texts": 1},  # so that the endpoint's counts are each row's own
            "output": {
                "path": str(folder / "out"),
                "vector_type": vector_type,
                "vector_encoding": encoding,
            },
        }
        file = folder / "job.yaml"
        file.write_text(yaml.safe_dump({"job": job}))
        assert invoke(["run", str(file), "--quiet"]) == 0
    return Sample(str(folder / "out/data"), vector_type, encoding)
