"""The JSON Schema of a job file: valid, and of one mind with the loader."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from embed_pipeline.errors import ConfigError
from embed_pipeline.job import load
from embed_pipeline.job_schema import as_text, job_schema

CONFIGS = Path(__file__).parents[2] / "configs"
JOB_FILES = sorted(
    set(CONFIGS.glob("*.yaml")) - {*CONFIGS.glob("*.beam.yaml"), CONFIGS / "providers.yaml"}
)
VALIDATOR = Draft202012Validator(job_schema())
MODELINE = "# yaml-language-server: $schema="

Job = dict[str, Any]


def job(changes: Job) -> Job:
    """Return a small job with some keys of its groups set."""
    groups: dict[str, Job] = {"corpus": {"files": "a"}, "endpoint": {"model": "m"}}
    groups |= {"output": {"path": "out"}}
    for path, value in changes.items():
        group, _, key = path.partition(".")
        groups.setdefault(group, {})[key] = value
    return {"job": groups}


def loads(found: Any, folder: Path) -> bool:
    """Tell whether the loader takes a job."""
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(found))
    try:
        load(path)
    except ConfigError:
        return False
    return True


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(job_schema())
    assert job_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_text_is_the_schema() -> None:
    assert json.loads(as_text()) == job_schema()


@pytest.mark.parametrize("path", JOB_FILES, ids=lambda path: path.name)
def test_every_job_file_that_comes_along_is_valid(path: Path) -> None:
    VALIDATOR.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", JOB_FILES, ids=lambda path: path.name)
def test_every_job_file_that_comes_along_names_the_schema_to_editors(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith(MODELINE)
    assert (path.parent / first.removeprefix(MODELINE)).read_text(encoding="utf-8") == as_text()


RIGHT: list[Job] = [
    {},
    {"corpus.files": ["a", "b/*.csv"]},
    {"corpus.attributes": {"year": "int64", "x": "bool"}},
    {"corpus.attributes": ["title"]},
    {"corpus.attributes": []},
    {"corpus.attributes": None, "corpus.format": None, "corpus.id": ""},
    {"corpus.limit": 1},
    {"corpus.limit": 1.0},
    {"tokens.prefix": "a\nb"},
    {"retry.attempts": 2**53 - 1},
    {"endpoint.url": "worker"},
    {"endpoint.url": "https://u:p@host:1/path"},
    {"endpoint.url": "HTTP://host"},
    {"endpoint.url": ["http://a:1", "http://b:1"]},
    {"endpoint.keep_alive": -1},
    {"endpoint.keep_alive": 1.5},
    {"endpoint.keep_alive": "0"},
    {"endpoint.keep_alive": "-1h30m.5s"},
    {"endpoint.keep_alive": "10µs"},
    {"endpoint.auth": {"env": "TOKEN"}},
    {"endpoint.auth": {"env": "TOKEN", "file": None}},
    {"endpoint.auth": {"secret_manager": "projects/p/secrets/s/versions/1"}},
    {"endpoint.auth": None, "endpoint.ca_file": "ca.pem"},
    {"endpoint.headers": {"X-Key": "a b", "Y": ""}},
    {"endpoint.options": {"num_ctx": 512, "deep": {"a": [1]}}},
    {"endpoint.timeouts": {"read": 1}},
    {"endpoint.worker": {"port": 65535, "server": "ollama", "idle_minutes": 0.5}},
    {"batching.max_texts": 8.0},
    {"batching.in_flight": 64},
    {"tokens.on_too_long": "chunk", "chunking.max_tokens": 100, "chunking.overlap": 0},
    {"output.columns": {"vector": "embedding"}},
    {"output.vector_type": "list<float>"},
    {"output.max_failed_fraction": 1},
    {"output.path": "s3://bucket/out"},
    {"store.ids_are_keys": True, "store.keep_snapshots": 1},
]
WRONG: list[Job] = [
    {"corpus.file": "a"},
    {"corpus.files": []},
    {"corpus.files": ""},
    {"corpus.files": 3},
    {"corpus.files": [""]},
    {"corpus.attributes": {"year": "int"}},
    {"corpus.attributes": [1]},
    {"corpus.attributes": "title"},
    {"corpus.format": "json"},
    {"corpus.limit": 0},
    {"corpus.limit": True},
    {"corpus.limit": 1e30},
    {"retry.attempts": 2**53},
    {"retry.total_seconds": 1e30},
    {"retry.total_seconds": float("inf")},
    {"endpoint.keep_alive": float("inf")},
    {"tokens.prefix": "a\x00"},
    {"tokens.query_prefix": "\x00"},
    {"corpus.on_duplicate": "drop"},
    {"corpus.text": ""},
    {"endpoint.model": ""},
    {"endpoint.model": None},
    {"endpoint.modle": "m"},
    {"endpoint.url": "localhost:11434"},
    {"endpoint.url": "Auto"},
    {"endpoint.url": "http://a?x"},
    {"endpoint.url": []},
    {"endpoint.url": ["http://a", "http://a"]},
    {"endpoint.url": ["worker"]},
    {"endpoint.keep_alive": "-1"},
    {"endpoint.keep_alive": "1d"},
    {"endpoint.keep_alive": ""},
    {"endpoint.keep_alive": True},
    {"endpoint.keep_alive": None},
    {"endpoint.auth": {}},
    {"endpoint.auth": {"env": None}},
    {"endpoint.auth": {"env": "A", "file": "b"}},
    {"endpoint.auth": {"secret_manager": "projects/p"}},
    {"endpoint.auth": "TOKEN"},
    {"endpoint.dimensions": 0},
    {"endpoint.headers": {"a b": "c"}},
    {"endpoint.headers": {"a": " c"}},
    {"endpoint.headers": {"a": 1}},
    {"endpoint.options": [1]},
    {"endpoint.timeouts": {"read": 0}},
    {"endpoint.timeouts": {"raed": 1}},
    {"endpoint.timeouts": None},
    {"endpoint.worker": {"port": 0}},
    {"batching.in_flight": 65},
    {"batching.max_texts": 1.5},
    {"batching.max_texts": None},
    {"retry.attempts": 0},
    {"tokens.on_too_long": "cut"},
    {"tokens.recount": -1},
    {"output.path": "~/out"},
    {"output.path": ""},
    {"output.columns": {"vectro": "v"}},
    {"output.columns": {"vector": ""}},
    {"output.max_failed_fraction": 1.1},
    {"store.max_deleted_fraction": -0.1},
    {"stores.keep_snapshots": 2},
]


@pytest.mark.parametrize("changes", RIGHT, ids=str)
def test_a_right_job_is_taken_by_schema_and_loader(changes: Job, tmp_path: Path) -> None:
    assert VALIDATOR.is_valid(job(changes))
    assert loads(job(changes), tmp_path)


@pytest.mark.parametrize("changes", WRONG, ids=str)
def test_a_wrong_job_is_refused_by_schema_and_loader(changes: Job, tmp_path: Path) -> None:
    assert not VALIDATOR.is_valid(job(changes))
    assert not loads(job(changes), tmp_path)


@pytest.mark.parametrize(
    "found",
    [{}, [], None, {"job": None}, {"job": {}}, {**job({}), "x": 1}, {**job({}), "beam": []}],
    ids=str,
)
def test_what_is_no_job_file_is_refused_by_schema_and_loader(found: Any, tmp_path: Path) -> None:
    assert not VALIDATOR.is_valid(found)
    assert not loads(found, tmp_path)


@pytest.mark.parametrize("beam", [None, {}, {"runner": "FlinkRunner", "experiments": ["a"]}])
def test_beams_options_are_beams(beam: Any, tmp_path: Path) -> None:
    assert VALIDATOR.is_valid({**job({}), "beam": beam})
    assert loads({**job({}), "beam": beam}, tmp_path)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70),
    st.floats(-3, 70).filter(lambda number: not number.is_integer()),
    st.sampled_from(["", "auto", "first", "hash", "x", "30m", "-1", "http://a", "~", "chunk"]),
    st.lists(st.sampled_from(["", "a", "http://a"]), max_size=2),
    st.dictionaries(
        st.sampled_from(["env", "read", "port", "vector", "x"]),
        st.integers(0, 2) | st.just("int64"),
        max_size=2,
    ),
)
PATHS = [
    f"{name}.{key}"
    for name, group in job_schema()["$defs"]["Job"]["properties"].items()
    for key, held in job_schema()["$defs"][group["$ref"].rpartition("/")[2]]["properties"].items()
    if name != "chunking"  # which needs a key of another group
    and held.get("type") != "boolean"  # for which the loader takes 0 and 1 as well
]


@given(path=st.sampled_from(PATHS), value=VALUES)
def test_schema_and_loader_agree_on_any_value_of_a_key(
    path: str, value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"schema-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    assert VALIDATOR.is_valid(job({path: value})) == loads(job({path: value}), folder)
