"""Which settings decide whether vectors may stand beside those a store has."""

from pathlib import Path
from typing import Any

import pytest

from embed_pipeline.job import Job
from embed_pipeline.manifest import Manifest
from embed_pipeline.reusable import differences, found_differences
from tests.support.datasets import dataset
from tests.support.rows import made_by, row
from tests.support.scripted import DIGEST

SETTINGS: dict[str, Any] = {
    "corpus": {"files": "f.jsonl"},
    "endpoint": {"url": "http://127.0.0.1:1", "model": "all-minilm"},
    "output": {"path": "store"},
}


def job(**changes: Any) -> Job:
    return Job.model_validate(
        {name: {**SETTINGS.get(name, {}), **changes.get(name, {})} for name in SETTINGS | changes}
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    made = dataset(tmp_path, [row("a")])
    return made.model_copy(update={"job": job().public()})


def test_the_same_settings_and_model_differ_in_nothing(manifest: Manifest) -> None:
    assert differences(manifest, job(), DIGEST) == []


@pytest.mark.parametrize(
    "same",
    [
        {"endpoint": {"url": "http://127.0.0.1:2", "model": "all-minilm:latest"}},
        {"batching": {"max_texts": 3}},
        {"retry": {"attempts": 2}},
        {"tokens": {"recount": 0, "query_prefix": "query: "}},
        {"output": {"file_mb": 3, "checkpoint_mb": 2, "vector_encoding": "byte_stream_split"}},
        {"corpus": {"files": "other.csv"}},
        {"store": {"keep_snapshots": 5}},
    ],
)
def test_what_does_not_decide_on_a_vector_may_change(
    manifest: Manifest, same: dict[str, Any]
) -> None:
    assert differences(manifest, job(**same), DIGEST) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"endpoint": {"model": "other"}}, "endpoint.model was 'all-minilm', is 'other'"),
        ({"endpoint": {"dimensions": 4}}, "endpoint.dimensions was not set, is 4"),
        (
            {"endpoint": {"options": {"num_ctx": 512}}},
            "endpoint.options was {}, is {'num_ctx': 512}",
        ),
        ({"tokens": {"prefix": "p: "}}, "tokens.prefix was not set, is 'p: '"),
        ({"tokens": {"on_too_long": "fail"}}, "tokens.on_too_long was 'truncate', is 'fail'"),
        ({"output": {"text": "hash"}}, "output.text was 'keep', is 'hash'"),
        ({"output": {"vector_type": "float16"}}, "output.vector_type was "),
        ({"output": {"columns": {"id": "key"}}}, "output.columns was {}, is {'id': 'key'}"),
    ],
)
def test_what_decides_is_named_with_both_values(
    manifest: Manifest, change: dict[str, Any], told: str
) -> None:
    (found,) = differences(manifest, job(**change), DIGEST)
    assert found.startswith(told)


def test_splitting_otherwise_is_a_difference(manifest: Manifest) -> None:
    split = {"tokens": {"on_too_long": "chunk"}, "chunking": {"max_tokens": 99}}
    made = {**manifest.provenance, "on_too_long": "chunk"}
    before = manifest.model_copy(update={"job": job(**split).public(), "provenance": made})
    assert differences(before, job(**split), DIGEST) == []
    other = {**split, "chunking": {"max_tokens": 98}}
    (found,) = differences(before, job(**other), DIGEST)
    assert found.startswith("chunking was {'max_tokens': 99")


def test_another_model_of_the_same_name_is_told_by_its_digest(manifest: Manifest) -> None:
    (found,) = differences(manifest, job(), "f" * 64)
    assert found == f"the model's digest was {DIGEST[:12]!r}, is '{'f' * 12}'"


def test_a_digest_that_is_not_known_yet_is_no_difference(manifest: Manifest) -> None:
    assert differences(manifest, job(), "") == []


def test_all_differences_are_told(manifest: Manifest) -> None:
    change = {"endpoint": {"model": "other", "dimensions": 4}, "tokens": {"prefix": "p"}}
    assert len(differences(manifest, job(**change), DIGEST)) == 3


def test_a_long_value_is_shown_by_its_beginning(manifest: Manifest) -> None:
    (found,) = differences(manifest, job(tokens={"prefix": "x" * 200}), DIGEST)
    assert found.endswith("xxx…")
    assert len(found) < 130


def test_a_dataset_that_was_made_before_there_were_some_settings_has_their_defaults(
    manifest: Manifest,
) -> None:
    bare = manifest.model_copy(update={"job": {}})
    assert differences(bare, job(), DIGEST) == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({}, []),
        ({"context": 512}, ["the model's context was 256, is 512"]),
        ({"dimension": 4}, ["the model's dimension was 8, is 4"]),
        ({"digest": "x"}, [f"the model's digest was {DIGEST!r}, is 'x'"]),
        (
            {"tokenizer": {"from": "server", "sha256": "x"}},
            ["the tokenizer was not set, is {'from': 'server', 'sha256': 'x'}"],
        ),
        ({"endpoint": "elsewhere", "endpoint_version": "9", "embed_pipeline": "9"}, []),
    ],
)
def test_what_an_engine_turns_out_to_have_otherwise_is_told(
    found: dict[str, Any], told: list[str]
) -> None:
    assert found_differences(made_by(), {**made_by(), **found}) == told
