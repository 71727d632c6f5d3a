"""What is said about the model is true of its files, and the built graph has a name of its own."""

from math import prod
from pathlib import Path

import pytest

from embed_pipeline.embedded.graph import Tensors, read_safetensors
from embed_pipeline.embedded.recipe import (
    CONTEXT,
    DIGEST,
    DIMENSION,
    LAYERS,
    PARAMETERS,
    graph_path,
)
from embed_pipeline.embedded.weights import Weights


@pytest.fixture(scope="module")
def tensors(real_weights: Weights) -> Tensors:
    return read_safetensors(real_weights.tensors)


def test_the_shape_is_that_of_the_checkpoint(tensors: Tensors) -> None:
    assert tensors["embeddings.position_embeddings.weight"].shape == (CONTEXT, DIMENSION)
    layers = {name.split(".")[2] for name in tensors if name.startswith("encoder.layer.")}
    assert layers == {str(number) for number in range(LAYERS)}


def test_the_parameters_are_all_but_the_poolers(tensors: Tensors) -> None:
    used = [value.shape for name, value in tensors.items() if not name.startswith("pooler.")]
    assert sum(map(prod, used)) == PARAMETERS


def test_the_digest_is_the_same_on_every_machine() -> None:
    # sha256 of a JSON list: the tensors' sha256, the recipe's name, the tokenizer's sha256. It
    # changes with the vectors, and only then.
    assert DIGEST == "c66235f9a3d5c4be80a977f3c49f416c71a2e837368037ae0d0ca610f9916230"


def test_the_graphs_name_in_the_cache_holds_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "embed_pipeline" / "all-minilm-l6-v2"
    assert graph_path() == (
        folder / "graph-c66235f9a3d5c4be80a977f3c49f416c71a2e837368037ae0d0ca610f9916230.onnx"
    )
