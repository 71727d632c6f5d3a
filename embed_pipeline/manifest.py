"""The manifest: what a dataset holds and how it came to be; its presence makes it complete."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from embed_pipeline import files
from embed_pipeline.errors import DatasetError
from embed_pipeline.staging import MANIFEST

FORMAT = 1
_CURE = "put the file back from a copy of the dataset, or make the dataset again"


class DataFile(BaseModel):
    """Describe one file of a dataset, by its path below the dataset's folder."""

    model_config = ConfigDict(frozen=True)

    path: str
    rows: int
    bytes: int
    sha256: str


class Counts(BaseModel):
    """Count what became of the documents.

    documents = rows + failed + duplicates_dropped, or nothing is published. Where documents were
    split, these are their pieces, and `chunked_documents` says how many documents those are of,
    each of one piece or more.
    """

    model_config = ConfigDict(frozen=True)

    documents: int
    rows: int
    failed: int
    duplicates_dropped: int
    tokens: int
    rows_by_token_count_source: Mapping[str, int]
    rows_by_truncated: Mapping[str, int] = {}
    failed_by_blame_and_kind: Mapping[str, int]
    chunked_documents: int | None = None

    @property
    def documents_told(self) -> str:
        """Return how many documents there were, and how many pieces they were split into."""
        if self.chunked_documents is None:
            return f"{self.documents:,}"
        if self.chunked_documents == self.documents:
            return f"{self.documents:,}, none split"
        return f"{self.chunked_documents:,}, split into {self.documents:,} pieces"

    def too_many_failed(self, fraction: float) -> bool:
        """Tell whether more failed than allowed: by the documents' fault, or any by the server's.

        Args:
            fraction: Share of documents that may fail by their own fault.
        """
        server = sum(
            count
            for kind, count in self.failed_by_blame_and_kind.items()
            if kind.startswith("server:")
        )
        return server > 0 or self.failed - server > fraction * self.documents


class Retried(BaseModel):
    """Tell of one time that failed documents were tried again; times are RFC 3339 in UTC.

    `tried` documents were sent, `succeeded` of them are rows now. The endpoint is where that was,
    without secrets: one with the model and the canary's vectors of the provenance.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    started: str
    finished: str
    tried: int
    succeeded: int
    endpoint: str
    endpoint_version: str
    embed_pipeline: str


class Refresh(BaseModel):
    """Tell what one refresh of a store did; times are RFC 3339 in UTC.

    Attributes:
        run_id: What the scheduler called it, or the run's own name.
        snapshot: The current snapshot after it.
        base: The one before, or None.
        published: Whether the snapshot is of this refresh; otherwise nothing had changed.
        rows, failed: What the snapshot holds.
        embedded: Rows whose vectors were made in this refresh; `tokens` is what they cost.
        reused: Rows whose vectors were there before, or were made for an equal text.
        inserted, updated, relabeled, deleted: Rows by what happened to them since the base; a
            relabeled one has its text still, but other attributes.
        forgotten: Documents of the corpus that were left out, as `forget` was asked to.
        seconds, server_seconds: How long it took, and how long the endpoint computed.
        bytes_added: Of files that are not shared with the base.
        exit_code: 0, or 3 where more failed than allowed.
        notes: What is worth knowing of it, such as a change of the schema or of the engine.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    snapshot: int
    base: int | None
    published: bool
    started: str
    finished: str
    rows: int
    failed: int
    embedded: int = 0
    reused: int = 0
    inserted: int = 0
    updated: int = 0
    relabeled: int = 0
    deleted: int = 0
    forgotten: int = 0
    tokens: int = 0
    seconds: float = 0.0
    server_seconds: float = 0.0
    model: str = ""
    digest: str = ""
    bytes_added: int = 0
    exit_code: int = 0
    notes: Sequence[str] = []


class Manifest(BaseModel):
    """Describe a complete dataset; times are RFC 3339 in UTC.

    `recount` tells how many token counts a sample of rows confirmed, by token_count_source;
    `effort` what it took: requests, retries, seconds (see `outcomes.Effort`); `plan` holds what
    `embed-pipeline plan` had expected of this job against what it took, in seconds; `retried` tells
    each time failures were tried again. A snapshot of a store has an `index` of its rows' marks,
    `changes` against its base, and tells of its `refresh`.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    run_id: str
    started: str
    finished: str
    provenance: Mapping[str, Any]
    job: Mapping[str, Any]
    columns: Mapping[str, str]
    counts: Counts
    recount: Mapping[str, Mapping[str, int]] = {}
    effort: Mapping[str, float] = {}
    plan: Mapping[str, float] | None = None
    data: Sequence[DataFile]
    failures: Sequence[DataFile]
    retried: Sequence[Retried] = []
    index: Sequence[DataFile] = []
    changes: Sequence[DataFile] = []
    refresh: Refresh | None = None

    @property
    def is_of_refresh(self) -> bool:
        """Tell whether the times are those of the refresh; an adopted dataset keeps its run's."""
        return self.refresh is not None and self.refresh.started == self.started

    @property
    def embedded(self) -> int:
        """The rows whose vectors were made from `started` to `finished`."""
        if self.refresh and self.is_of_refresh:
            return self.refresh.embedded
        reused = int(self.effort.get("reused", 0))
        return max(0, self.counts.rows - reused - sum(one.succeeded for one in self.retried))

    @property
    def seconds(self) -> float:
        """The time from `started` to `finished`; 0 where they are no times, or go back."""
        try:
            took = datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)
        except (TypeError, ValueError):
            return 0.0
        return max(0.0, took.total_seconds())

    def to_json(self) -> bytes:
        """Return the manifest as it is stored."""
        return orjson.dumps(self.model_dump(), option=orjson.OPT_INDENT_2) + b"\n"


def read_manifest(dataset: str) -> Manifest:
    """Read a dataset's manifest.

    Raises:
        DatasetError: There is no complete dataset, or one of a newer format.
    """
    path = files.join(dataset, MANIFEST)
    try:
        found = orjson.loads(files.read_bytes(path))
        if found.get("format", 0) > FORMAT:
            raise DatasetError(
                f"{path} is of format {found['format']}, written by a newer version; this one "
                f"reads format {FORMAT}: install the newer version"
            )
        return Manifest.model_validate(found)
    except FileNotFoundError as error:
        raise DatasetError(
            f"{dataset} holds no complete dataset: {MANIFEST} is missing; a job writes it last"
        ) from error
    except (orjson.JSONDecodeError, AttributeError) as error:
        raise DatasetError(f"{path} is damaged: it is no JSON object; {_CURE}") from error
    except ValidationError as error:
        wrong = sorted({str(one["loc"][0]) for one in error.errors()})
        raise DatasetError(
            f"{path} is damaged: {', '.join(wrong)} missing or wrong; {_CURE}"
        ) from error
