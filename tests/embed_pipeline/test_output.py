"""The output's settings."""

import pytest
from pydantic import ValidationError

from embed_pipeline.output import Output


def test_a_column_keeps_its_name_unless_told() -> None:
    output = Output(path="out", columns={"vector": "embedding"})
    assert (output.column("vector"), output.column("text")) == ("embedding", "text")


def test_attributes_cannot_take_the_names_in_use() -> None:
    output = Output(path="out", columns={"vector": "embedding"}, text="drop")
    assert output.taken == [
        "id",
        "embedding",
        "model",
        "token_count",
        "token_count_source",
        "truncated",
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"vectr": "embedding"}, "no column 'vectr'; did you mean 'vector'"),
        ({"vector": ""}, "'vector' needs a name"),
        ({"vector": "text"}, "two columns are called 'text'"),
    ],
)
def test_impossible_names_are_refused(columns: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Output(path="out", columns=columns)


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({}, 64_000_000),
        ({"file_mb": 10}, 10_000_000),
        ({"checkpoint_mb": 5}, 5_000_000),
        ({"checkpoint_mb": 500}, 256_000_000),
    ],
)
def test_a_part_is_no_larger_than_a_file_and_a_checkpoint(
    settings: dict[str, int], size: int
) -> None:
    assert Output.model_validate({"path": "out", **settings}).part_bytes == size


def test_a_checkpoint_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="checkpoint_mb"):
        Output(path="out", checkpoint_mb=0)
