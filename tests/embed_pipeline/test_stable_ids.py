"""Ids that a refresh can rely on."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_pipeline.corpus import Corpus, find_files
from embed_pipeline.documents import storable
from embed_pipeline.errors import RefusedError
from embed_pipeline.files import FileInfo
from embed_pipeline.schema import id_hash
from embed_pipeline.stable_ids import check_not_positions, check_unique


def corpus(path: Path, *found: Iterable[Any], **settings: Any) -> tuple[Corpus, list[FileInfo]]:
    """Write JSON Lines files of documents with these ids."""
    for number, ids in enumerate(found):
        lines = [json.dumps({"id": one, "text": f"text of {one}"}) for one in ids]
        (path / f"{number}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    made = Corpus.model_validate({"files": str(path / "*.jsonl"), **settings})
    return made, find_files(made)


def hashes(*ids: str) -> np.ndarray[Any, Any]:
    content = b"".join(id_hash(storable(one)) for one in ids)
    return np.frombuffer(content, "<u8").reshape(-1, 2)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("kind", [int, str])
def test_ids_that_count_up_from_the_start_are_refused_as_positions(
    tmp_path: Path, first: int, kind: Any
) -> None:
    with pytest.raises(
        RefusedError, match=rf"\({first}, {first + 1}, {first + 2} ..., field 'id'\)"
    ):
        check_not_positions(*corpus(tmp_path, [kind(n) for n in range(first, first + 5)]))


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [1],
        [1, 2],
        [2, 3, 4],
        [1, 2, 4],
        [3, 2, 1],
        ["d1", "d2", "d3"],
        ["01", "02", "03"],
        [10, 20, 30],
    ],
)
def test_other_ids_are_taken_to_stay_with_their_documents(tmp_path: Path, ids: list[Any]) -> None:
    check_not_positions(*corpus(tmp_path, ids))


def test_a_thousand_that_count_up_are_enough(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="positions"):
        check_not_positions(*corpus(tmp_path, [*range(1_000), "x"]))


def test_ids_made_of_the_texts_are_no_positions(tmp_path: Path) -> None:
    check_not_positions(*corpus(tmp_path, [1, 2, 3], id=""))


def test_a_line_that_cannot_be_read_does_not_hide_positions(tmp_path: Path) -> None:
    made = corpus(tmp_path, [0, 1, 2, 3])
    content = (tmp_path / "0.jsonl").read_text()
    (tmp_path / "0.jsonl").write_text(f"no JSON\n{content}")
    with pytest.raises(RefusedError, match="positions"):
        check_not_positions(*made)


def test_no_files_have_no_positions() -> None:
    check_not_positions(Corpus(files="x"), [])


def test_ids_that_stand_once_are_fine(tmp_path: Path) -> None:
    check_unique(hashes("a", "b", "c"), *corpus(tmp_path, ["a", "b", "c"]))


def test_no_ids_are_fine(tmp_path: Path) -> None:
    check_unique(hashes(), *corpus(tmp_path, []))


def test_an_id_that_stands_twice_is_refused_with_its_places(tmp_path: Path) -> None:
    made = corpus(tmp_path, ["a", "b", "a"], ["b"])
    with pytest.raises(RefusedError) as caught:
        check_unique(hashes("a", "b", "a", "b"), *made)
    told = str(caught.value)
    assert told.startswith("2 ids stand more than once in the corpus: ")
    assert f"'a' ({tmp_path}/0.jsonl:1, {tmp_path}/0.jsonl:3)" in told
    assert f"'b' ({tmp_path}/0.jsonl:2, {tmp_path}/1.jsonl:1)" in told


def test_many_ids_that_stand_twice_are_shown_by_some(tmp_path: Path) -> None:
    ids = [f"d{n}" for n in range(20)]
    with pytest.raises(RefusedError, match=r"^20 ids .*; \.\.\.; a refresh") as caught:
        check_unique(hashes(*ids, *ids), *corpus(tmp_path, ids, ids))
    assert str(caught.value).count("1.jsonl") == 5


def test_ids_that_only_share_the_first_half_of_their_hash_are_two(tmp_path: Path) -> None:
    made = np.array([[1, 2], [1, 3]], np.uint64)
    check_unique(made, *corpus(tmp_path, []))
