"""Which documents JSON names: in whole strings, in ends of paths, and in JSON within a string."""

from pathlib import Path

import orjson
import pytest

from embed_pipeline.quotes import is_named, named, quoted
from embed_pipeline.schema import id_hash


@pytest.mark.parametrize(
    ("value", "identity"),
    [
        ("a.txt", "a.txt"),
        ({"a": 1}, "a"),
        ([{"b": ["x", "a"]}], "a"),
        ("/corpus/b/a.txt", "a.txt"),
        ("/corpus/b/a.txt", "b/a.txt"),
        ("s3://bucket/b/a.txt?region=x", "b/a.txt"),
        ('{"inputs": [{"path": "/corpus/a.txt"}]}', "a.txt"),
        ("Zürich ☃", "Zürich ☃"),
    ],
)
def test_a_document_is_named(value: object, identity: str) -> None:
    assert named(value, frozenset([id_hash(identity)])) == {id_hash(identity)}
    assert quoted(orjson.dumps(value), frozenset([id_hash(identity)]))


@pytest.mark.parametrize("value", ["a.txt.gz", "ba.txt", 1, None, ["1x"], "{broken"])
def test_a_part_of_a_word_names_nothing(value: object) -> None:
    assert named(value, frozenset(map(id_hash, ["a.txt", "1", "None", "null"]))) == frozenset()


def test_a_file_that_is_no_json_may_name_anything(tmp_path: Path) -> None:
    (tmp_path / "cut").write_text('{"a": ')
    (tmp_path / "whole").write_text('{"a": 1}')
    assert is_named(str(tmp_path / "cut"), frozenset())
    assert not is_named(str(tmp_path / "whole"), frozenset())
    assert is_named(str(tmp_path / "whole"), frozenset([id_hash("a")]))
