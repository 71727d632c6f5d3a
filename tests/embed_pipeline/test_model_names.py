"""Names of models, as endpoints and users write them."""

import pytest

from embed_pipeline.model_names import entry_of, is_embedded, names_of, same_model


@pytest.mark.parametrize(
    ("listed", "asked", "same"),
    [
        ("all-minilm:latest", "all-minilm", True),
        ("all-minilm:latest", "All-MiniLM", True),
        ("all-minilm:latest", " all-minilm:latest ", True),
        ("all-minilm:latest", "library/all-minilm", True),
        ("all-minilm:latest", "registry.ollama.ai/library/all-minilm", True),
        ("all-minilm:22m", "all-minilm", False),
        ("all-minilm:22m", "all-minilm:22M", True),
        ("me/all-minilm:latest", "all-minilm", False),
        ("host:5000/me/model:latest", "host:5000/me/model", True),
        (None, "all-minilm", False),
    ],
)
def test_names_of_the_same_model(listed: object, asked: str, same: bool) -> None:
    assert same_model(listed, asked) == same


LISTED = {"models": [{"name": "other:latest"}, {"name": "all-minilm:latest", "digest": "d1"}]}


def test_a_model_s_entry_is_found_by_any_of_its_names() -> None:
    assert entry_of(LISTED, "all-minilm") == {"name": "all-minilm:latest", "digest": "d1"}


def test_a_model_that_is_not_listed_has_no_entry() -> None:
    assert entry_of(LISTED, "nomic") == {}


@pytest.mark.parametrize("answer", [{}, {"models": 3}, {"models": None}, {"models": ["a", 1]}])
def test_an_answer_of_another_shape_lists_nothing(answer: dict[str, object]) -> None:
    assert (entry_of(answer, "a"), names_of(answer)) == ({}, [])


def test_all_names_are_told() -> None:
    assert names_of(LISTED) == ["other:latest", "all-minilm:latest"]


def test_the_embedded_model_has_several_names() -> None:
    assert is_embedded("all-minilm")
    assert is_embedded("All-MiniLM:22m")
    assert not is_embedded("all-minilm:33m")
