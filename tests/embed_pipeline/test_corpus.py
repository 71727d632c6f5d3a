"""The settings of a corpus, and the files they mean."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from embed_pipeline.corpus import Corpus, find_files, names
from embed_pipeline.errors import ConfigError


def make(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"{}\n")


def test_every_setting_is_described() -> None:
    assert all(setting.description for setting in Corpus.model_fields.values())


def test_defaults() -> None:
    corpus = Corpus(files="a.jsonl")
    assert corpus.model_dump() == {
        "files": "a.jsonl", "format": None, "text": "text", "id": "id", "attributes": None,
        "text_per": "file", "on_duplicate": "error", "limit": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"files": ""},
        {"files": []},
        {"format": "json"},
        {"text": ""},
        {"text": "{"},
        {"text": "{}"},
        {"text": "{{no field}}"},
        {"attributes": {"a": "int"}},
        {"attributes": ["-a", "b"]},
        {"attributes": [""]},
        {"text_per": "page"},
        {"on_duplicate": "merge"},
        {"limit": 0},
        {"limit": True},
        {"colour": "red"},
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Corpus.model_validate({"files": "a", **wrong})


@pytest.mark.parametrize(
    ("attributes", "text", "identity", "read", "not_read"),
    [
        (None, "text", "id", ["text", "id", "any"], []),
        (["a"], "text", "id", ["text", "id", "a"], ["any"]),
        ([], "text", "", ["text"], ["id", "a"]),
        (["-a"], "{t}{u}", "id", ["t", "u", "id", "any"], ["a"]),
        ({"a": "bool"}, "text", None, ["text", "a"], ["id", "any"]),
    ],
)
def test_which_fields_are_read(
    attributes: Any, text: str, identity: str | None, read: list[str], not_read: list[str]
) -> None:
    corpus = Corpus(files="a", attributes=attributes, text=text, id=identity)
    assert all(corpus.reads(name) for name in read)
    assert not any(corpus.reads(name) for name in not_read)


def test_the_fields_of_text_and_id_are_no_attributes() -> None:
    assert Corpus(files="a").skipped == frozenset({"text", "id"})
    assert Corpus(files="a", attributes=["-x"]).skipped == frozenset({"text", "id", "x"})
    assert Corpus(files="a", attributes=["x"]).skipped is None


def test_fixed_types_remember_what_was_left_out_on_purpose_and_survive_pickling() -> None:
    fixed = Corpus(files="a", attributes=["-x"]).with_types({"n": "int64"})
    copy = pickle.loads(pickle.dumps(fixed))  # noqa: S301 (our own)
    assert copy == fixed
    assert copy.types == {"n": "int64"}
    assert copy.skipped == frozenset({"text", "id", "x"})
    assert copy.reads("late")
    assert not copy.reads("x")


def test_files_of_several_patterns_are_sorted_and_found_once(tmp_path: Path) -> None:
    make(tmp_path, "b.jsonl", "a.jsonl", "sub/c.csv")
    patterns = [f"{tmp_path}/sub", f"{tmp_path}/*.jsonl", f"{tmp_path}/b.jsonl"]
    found = find_files(Corpus(files=patterns))
    assert [file.path for file in found] == [
        str(tmp_path / name) for name in ("a.jsonl", "b.jsonl", "sub/c.csv")
    ]


def test_a_pattern_that_matches_nothing_names_itself_and_its_folder(tmp_path: Path) -> None:
    make(tmp_path, "a.jsonl")
    pattern = f"{tmp_path}/sub/*.jsonl"
    with pytest.raises(ConfigError) as caught:
        find_files(Corpus(files=[f"{tmp_path}/a.jsonl", pattern]))
    assert f"{pattern!r} matches no file in {tmp_path}/sub;" in str(caught.value)


def test_an_unknown_extension_names_the_setting(tmp_path: Path) -> None:
    make(tmp_path, "a.jsonl", "b.json")
    with pytest.raises(ConfigError, match=r"b\.json: .*corpus\.format"):
        find_files(Corpus(files=str(tmp_path)))
    assert len(find_files(Corpus(files=str(tmp_path), format="jsonl"))) == 2


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["."], ["a.txt", "sub/a.txt", "sub/b.txt"]),
        (["*.txt"], ["a.txt"]),
        (["a.txt"], ["a.txt"]),
        (["sub/*.txt"], ["a.txt", "b.txt"]),
        (["sub/*.txt", "a.txt"], ["a.txt", "sub/a.txt", "sub/b.txt"]),
    ],
)
def test_names_are_the_same_wherever_the_corpus_lies(
    tmp_path: Path, patterns: list[str], expected: list[str]
) -> None:
    for place in ("one", "two/deeper"):
        make(tmp_path / place, "a.txt", "sub/a.txt", "sub/b.txt")
        corpus = Corpus(files=[f"{tmp_path}/{place}/{pattern}" for pattern in patterns])
        assert names(corpus, find_files(corpus)) == expected
