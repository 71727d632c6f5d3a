"""Names of models, as endpoints and users write them."""

import pytest

from embed_pipeline.model_names import same_model


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
