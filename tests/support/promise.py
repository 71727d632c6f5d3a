"""The promise that nothing is lost, checked from outside: from files, exit code and record alone.

It reads the dataset with pyarrow and the manifest with json; of the package it takes `classify()`
only, whose verdict on an answer is part of the promise.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline.classify import classify
from embed_pipeline.errors import PermanentError
from tests.support.faulty import Asked

NEAR = 1e-5  # that a value of a vector may be off the healthy endpoint's
PUBLISHED, STOPPED, TOO_MANY_FAILED = 0, 1, 3

Truth = Callable[[str], NDArray[np.float32]]
Guilt = Mapping[str, Iterable[str]]


@dataclass
class Verdict:
    """Hold what was found of a run; every list is empty where the promise holds.

    Attributes:
        lost: Ids that are neither in `data/` nor in `failures/`.
        doubled: Ids that stand more than once, in one of them or in both.
        foreign: Ids that are not the corpus's, or carry another text.
        wrong: Ids whose vector is not the healthy endpoint's.
        accused: Failures that the script gives no reason for: id and kind.
        repeated: What a permanent error answered and was sent again.
        untrue: What else does not hold, in words.
        rows, failed: How many there are.
        unsettled: Failures among them that are blamed on the server, and rightly so.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    accused: list[tuple[str, str]] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    rows: int = 0
    failed: int = 0
    unsettled: int = 0

    @property
    def broken(self) -> dict[str, Any]:
        """Return what does not hold, by name."""
        lists = {name: found for name, found in vars(self).items() if isinstance(found, list)}
        return {name: found for name, found in lists.items() if found}


def judge(
    corpus: Mapping[str, str],
    dataset: Path,
    code: int,
    *,
    truth: Truth,
    guilty: Guilt | None = None,
    record: Sequence[Asked] = (),
    allowed: float = 0.01,
) -> Verdict:
    """Check the promise for a run that has ended.

    Args:
        corpus: Text by id.
        dataset: The folder of the output, whether there is anything in it or not.
        code: The exit code.
        truth: What the healthy endpoint gives for a text.
        guilty: The kinds of failure a text may have, by text; other texts must have their vector.
        record: What the endpoint was asked.
        allowed: The share of documents that may fail, as the job says.
    """
    found = Verdict(repeated=sent_in_vain(record, set(corpus.values())))
    if code in (PUBLISHED, TOO_MANY_FAILED):
        _check_published(found, corpus, dataset, truth)
        met = {text for asked in record if asked.fault for text in asked.texts}
        _check_reasons(found, dataset, guilty or {}, met)
        _check_code(found, dataset, code, len(corpus), allowed)
    elif shown(dataset):
        found.untrue.append(f"exit code {code}, and yet there is a dataset")
    return found


def shown(dataset: Path) -> bool:
    """Tell whether a folder shows anything a reader could take for a dataset."""
    return (dataset / "manifest.json").exists() or any(dataset.glob("data/*.parquet"))


def _check_published(
    found: Verdict, corpus: Mapping[str, str], dataset: Path, truth: Truth
) -> None:
    """Check that each document is there once, and each vector is right."""
    rows, failures = _table(dataset / "data"), _table(dataset / "failures")
    seen = Counter([*(row["id"] for row in rows), *(one["id"] for one in failures)])
    found.rows, found.failed = len(rows), len(failures)
    found.lost = sorted(set(corpus) - set(seen))
    found.doubled = sorted(name for name, count in seen.items() if count > 1)
    found.foreign = sorted(
        str(one["id"]) for one in (*rows, *failures) if corpus.get(one["id"]) != one["text"]
    )
    for row in rows:
        expected = truth(row["text"])
        vector = np.asarray(row["vector"], dtype=np.float32)
        # `not (<=)`, so that NaN is wrong as well
        if vector.shape != expected.shape or not np.abs(vector - expected).max() <= NEAR:
            found.wrong.append(row["id"])


def _check_reasons(found: Verdict, dataset: Path, guilty: Guilt, met: set[str]) -> None:
    """Check that each failure's reason is true.

    A document is blamed rightly where the script made its text guilty of just that, and the server
    where a request with that text met a fault.
    """
    for one in _table(dataset / "failures"):
        if one["kind"] in guilty.get(one["text"], ()):
            continue
        if one["blame"] == "server" and one["text"] in met:
            found.unsettled += 1
        else:
            found.accused.append((one["id"], f"{one['blame']}:{one['kind']}: {one['message']}"))


def _check_code(found: Verdict, dataset: Path, code: int, documents: int, allowed: float) -> None:
    """Check that manifest and exit code say what the files hold."""
    manifest = json.loads((dataset / "manifest.json").read_bytes())
    counts = manifest["counts"]
    told = (counts["documents"], counts["rows"], counts["failed"])
    if told != (documents, found.rows, found.failed):
        found.untrue.append(f"the manifest tells of {told}, not {(documents, found.rows)}")
    listed = {one["path"] for one in (*manifest["data"], *manifest["failures"])}
    there = {
        str(path.relative_to(dataset))
        for folder in ("data", "failures")
        for path in dataset.glob(f"{folder}/*.parquet")
    }
    if listed != there:
        found.untrue.append(f"the manifest lists {sorted(listed)}, there are {sorted(there)}")
    blames = Counter(one["blame"] for one in _table(dataset / "failures"))
    too_many = blames["server"] > 0 or found.failed > allowed * documents
    if (code == TOO_MANY_FAILED) != too_many:
        found.untrue.append(f"exit code {code} with {dict(blames)} of {documents} failed")


def sent_in_vain(record: Sequence[Asked], documents: set[str]) -> list[str]:
    """Return what was sent again, as it was, after an answer that no repetition can change.

    Requests without a document are left out: what a server refuses is found out on purpose.
    """
    refused: set[tuple[Any, ...]] = set()
    again = []
    for asked in record:
        sent = (tuple(asked.texts), asked.truncate, asked.authorization)
        if documents.isdisjoint(asked.texts):
            continue
        if sent in refused:
            again.append(f"request {asked.number}, {asked.texts[0][:40]!r} and others")
        answer = asked.answer
        if answer is not None and answer.status != 200:
            error = classify(answer.status, answer.headers, answer.body, "")
            if isinstance(error, PermanentError):
                refused.add(sent)
    return again


def kept_texts(dataset: Path) -> set[str]:
    """Return the texts in whole part files that an unfinished run has left."""
    texts = set()
    for path in dataset.glob("staging/*/data-*.parquet"):
        try:
            texts |= set(pq.read_table(path, columns=["text"])["text"].to_pylist())
        except (pa.ArrowInvalid, OSError):  # not whole
            continue
    return texts


def answered(record: Iterable[Asked]) -> set[str]:
    """Return the texts that got their vector, as far as the endpoint can tell."""
    return {text for asked in record if asked.good for text in asked.texts}


def sent(record: Iterable[Asked]) -> set[str]:
    """Return every text that was sent."""
    return {text for asked in record for text in asked.texts}


def _table(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of every Parquet file in a folder, in the order of their names."""
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows
