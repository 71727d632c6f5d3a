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
