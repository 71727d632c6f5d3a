"""What a dataset was made with: read back whole, and held against the engine of today."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_pipeline.endpoint import Auth, Batching, Endpoint, Retry
from embed_pipeline.engine import CANARY_TEXTS
from embed_pipeline.errors import ConfigError, DatasetError, RefusedError
from embed_pipeline.job import Job
from embed_pipeline.made_with import (
    attribute_types,
    check_same_engine,
    made_with,
    moved,
)
from embed_pipeline.manifest import Manifest
from embed_pipeline.tokens import Tokens
from tests.support.datasets import dataset
from tests.support.rows import made_by, row
from tests.support.scripted import DIMENSION, vector_of

JOB: dict[str, Any] = {
    "corpus": {"files": "corpus.jsonl"},
    "endpoint": {
        "url": "http://user:hunter2@127.0.0.1:9",
        "model": "all-minilm",
        "options": {"num_ctx": 256},
        "keep_alive": "10m",
        "headers": {"X-Key": "hunter2"},
        "auth": {"env": "TOKEN"},
        "ca_file": "/etc/ca.pem",
        "timeouts": {"read": 5},
    },
    "batching": {"max_texts": 3},
    "retry": {"attempts": 4},
    "tokens": {"prefix": "passage: ", "recount": 7},
    "output": {"path": "elsewhere"},
}


@pytest.fixture
def bare(tmp_path: Path) -> Manifest:
    """Return the manifest of a dataset whose job tells of its output alone."""
    return dataset(tmp_path, [row("a")], text="drop", file_mb=3)


def of_job(bare: Manifest, job: Mapping[str, Any]) -> Manifest:
    public = {**Job.model_validate(job).public(), "output": bare.job["output"], "inputs": []}
    made = {**bare.provenance, "options": job["endpoint"].get("options", {})}
    return bare.model_copy(update={"job": public, "provenance": made})


def test_every_setting_of_the_job_comes_back(bare: Manifest) -> None:
    found = made_with("moved", of_job(bare, JOB), headers={"x-key": "hunter3"})
    wanted = Job.model_validate(JOB)
    assert found.endpoint == wanted.endpoint.model_copy(
        update={"url": "http://127.0.0.1:9", "headers": {"x-key": "hunter3"}}
    )
    assert found.endpoint.auth == Auth(env="TOKEN")
    assert (found.batching, found.retry, found.tokens) == (
        wanted.batching,
        wanted.retry,
        wanted.tokens,
    )
    assert (found.output.path, found.output.text, found.output.file_mb) == ("moved", "drop", 3)
    assert found.attributes == {"n": "int64"}


def test_without_a_job_the_provenance_tells(bare: Manifest) -> None:
    found = made_with("out", bare)
    assert found.endpoint == Endpoint(url="http://127.0.0.1:1", model="all-minilm")
    assert (found.batching, found.retry, found.tokens) == (Batching(), Retry(), Tokens())


def test_several_addresses_come_back(bare: Manifest) -> None:
    urls = ["http://127.0.0.1:1", "http://127.0.0.1:2"]
    made = {**bare.provenance, "endpoint": ", ".join(urls)}
    found = made_with("out", bare.model_copy(update={"provenance": made}))
    assert found.endpoint.url == urls
    job = {**JOB, "endpoint": {"model": "all-minilm", "url": urls[::-1]}}
    assert made_with("out", of_job(bare, job)).endpoint.url == urls[::-1]


def test_an_embedded_endpoint_is_started_again(bare: Manifest) -> None:
    job = {**JOB, "endpoint": {"model": "all-minilm", "url": "http://127.0.0.1:40123"}}
    manifest = of_job(bare, job)
    made = {**manifest.provenance, "endpoint": "embedded", "endpoint_kind": "embedded"}
    manifest = manifest.model_copy(update={"provenance": made})
    assert made_with("out", manifest).endpoint.url == "embedded"
    assert made_with("out", manifest, "http://x:1").endpoint.url == "http://x:1"


def test_a_header_s_value_must_be_given(bare: Manifest) -> None:
    with pytest.raises(ConfigError, match=r"the header 'X-Key'.*--header 'X-Key=NAME'"):
        made_with("out", of_job(bare, JOB), headers={"other": "x"})


def test_a_setting_that_cannot_be_is_named(bare: Manifest) -> None:
    manifest = bare.model_copy(update={"job": {**bare.job, "retry": {"attempts": 0}}})
    with pytest.raises(ConfigError, match=r"manifest\.json, retry: attempts: "):
        made_with("out", manifest)
    with pytest.raises(ConfigError, match="'ftp://x' is not an address"):
        made_with("out", bare, "ftp://x")


def test_undeclared_attributes_stay_one_column(bare: Manifest) -> None:
    columns = dict(bare.columns)
    del columns["n"]
    manifest = bare.model_copy(update={"columns": {**columns, "attributes": "string"}})
    assert made_with("out", manifest).attributes is None
    declared = manifest.model_copy(update={"job": {**bare.job, "corpus": {}}})
    assert made_with("out", declared).attributes == {"attributes": "string"}


@pytest.mark.parametrize("change", [{"n": "list<item: int64>"}, {"vector": "string"}])
def test_columns_of_another_kind_cannot_be_added_to(
    bare: Manifest, change: Mapping[str, str]
) -> None:
    manifest = bare.model_copy(update={"columns": {**bare.columns, **change}})
    with pytest.raises(DatasetError, match="nothing can be added"):
        made_with("out", manifest)


def canary(**vectors: Any) -> dict[str, Any]:
    """Return a provenance with other vectors of some canary texts, by their number."""
    rows = [vector_of(text) for text in CANARY_TEXTS]
    for number, vector in vectors.items():
        rows[int(number.removeprefix("at_"))] = vector
    encoded = base64.b64encode(np.stack(rows).astype("<f4").tobytes()).decode()
    return {**made_by(), "canary": {"texts": list(CANARY_TEXTS), "vectors": encoded}}


def turned(cosine: float) -> Any:
    """Return a unit vector with this cosine to that of the third canary text."""
    vector = vector_of(CANARY_TEXTS[2]).astype(np.float64)
    other = vector_of("any").astype(np.float64)
    other -= (other @ vector) * vector
    return cosine * vector + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)


def test_the_same_engine_may_be_another_version_elsewhere() -> None:
    check_same_engine(made_by(), {**made_by(), "endpoint": "x", "endpoint_version": "9"})
    check_same_engine(made_by(), canary(at_2=turned(0.99995)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"digest": "e2" * 32}, "digest e2e2e2e2e2e2, not d1d1d1d1d1d1"),
        ({"digest": ""}, "digest unknown, not d1d1d1d1d1d1"),
        ({"dimension": 4}, "dimension 4, not 8"),
        ({"context": 512}, "context 512, not 256"),
    ],
)
def test_another_engine_is_refused(change: Mapping[str, Any], told: str) -> None:
    with pytest.raises(RefusedError, match=f"{told}.*--url"):
        check_same_engine(made_by(), {**made_by(), **change})


def test_one_text_with_another_vector_is_enough() -> None:
    with pytest.raises(RefusedError, match=r"of 'the quick brown fox .*' have the cosine 0\.9998"):
        check_same_engine(made_by(), canary(at_2=turned(0.9998)))


def test_a_text_without_a_vector_tells_nothing() -> None:
    check_same_engine(made_by(), canary(at_2=np.zeros(DIMENSION)))
    check_same_engine(canary(at_2=np.zeros(DIMENSION)), made_by())


def test_nothing_to_compare_is_no_proof() -> None:
    with pytest.raises(RefusedError, match="no vectors that today's could be held against"):
        check_same_engine({**made_by(), "canary": {"texts": [], "vectors": ""}}, made_by())


def test_the_texts_that_moved_are_told_the_farthest_first() -> None:
    assert moved(made_by(), made_by()) == []
    assert moved(made_by(), canary(at_2=turned(0.99995))) == []
    (found,) = moved(made_by(), canary(at_2=turned(0.9)))
    assert (found[0], round(found[1], 4)) == (CANARY_TEXTS[2], 0.9)
    others = moved(canary(at_2=turned(0.5)), canary(at_2=-turned(0.5)))
    assert [round(cosine, 4) for _, cosine in others] == [-1.0]


def test_vectors_that_are_no_numbers_have_moved() -> None:
    assert len(moved(made_by(), canary(at_2=np.full(DIMENSION, np.nan)))) == 1


def test_the_types_of_attributes_are_those_of_the_columns_that_are_not_ours(
    bare: Manifest,
) -> None:
    columns = {**bare.columns, "a": "int64", "b": "double", "c": "bool", "d": "string"}
    found = attribute_types(bare.model_copy(update={"columns": columns}))
    assert found == {"n": "int64", "a": "int64", "b": "double", "c": "bool", "d": "string"}


@pytest.mark.parametrize(("on_too_long", "ours"), [("chunk", True), ("truncate", False)])
def test_the_place_of_a_piece_is_no_attribute_where_documents_were_split(
    bare: Manifest, on_too_long: str, ours: bool
) -> None:
    columns = {"document_id": "string", **bare.columns, "chunk_index": "int64"}
    made = {**bare.provenance, "on_too_long": on_too_long}
    found = attribute_types(bare.model_copy(update={"columns": columns, "provenance": made}))
    wanted = ["n"] if ours else ["document_id", "n", "chunk_index"]
    assert list(found) == wanted


def test_renamed_columns_are_ours_and_their_old_names_are_not(tmp_path: Path) -> None:
    made = dataset(tmp_path, [row("a")], columns={"model": "made_by"})
    columns = {**made.columns, "model": "string"}
    found = attribute_types(made.model_copy(update={"columns": columns}))
    assert found == {"n": "int64", "model": "string"}
