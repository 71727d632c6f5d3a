"""The model is made ready from what is here, and nothing unpinned is taken."""

import subprocess
import sys
from pathlib import Path

import pytest

from embed_pipeline.embedded.model import Model, prepare
from embed_pipeline.embedded.recipe import graph_path
from embed_pipeline.embedded.weights import Weights
from embed_pipeline.errors import ConfigError


@pytest.fixture
def named(
    real_weights: Weights, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Weights:
    """Return the real files in a folder that EMBED_PIPELINE_WEIGHTS names; the cache is empty."""
    folder = tmp_path / "named"
    folder.mkdir()
    found = Weights.within(folder)
    found.tensors.symlink_to(real_weights.tensors.resolve())
    found.tokenizer.symlink_to(real_weights.tokenizer.resolve())
    monkeypatch.setenv("EMBED_PIPELINE_WEIGHTS", str(folder))
    return found


def test_the_graph_is_built_from_the_weights_that_are_found(named: Weights, cache: Path) -> None:
    assert prepare() == Model(named, graph_path())
    assert list(cache.iterdir()) == [graph_path()]


def test_a_graph_that_is_there_is_taken_and_the_tensors_are_not_read(
    named: Weights, cache: Path
) -> None:
    cache.mkdir(parents=True)
    graph_path().write_bytes(b"built before")
    named.tensors.unlink()
    named.tensors.write_bytes(b"never read")
    assert prepare() == Model(named, graph_path())
    assert graph_path().read_bytes() == b"built before"


def test_another_tokenizer_is_refused_even_where_the_graph_is_there(
    named: Weights, cache: Path
) -> None:
    cache.mkdir(parents=True)
    graph_path().write_bytes(b"built before")
    named.tokenizer.unlink()
    named.tokenizer.write_text("{}")
    with pytest.raises(ConfigError, match=r"tokenizer\.json is not the file this endpoint is"):
        prepare()


def test_other_tensors_are_refused_where_the_graph_has_to_be_built(
    named: Weights, cache: Path
) -> None:
    named.tensors.unlink()
    named.tensors.write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"model\.safetensors is not the file this endpoint is"):
        prepare()
    assert not graph_path().exists()


def test_a_built_graph_makes_onnx_needless(model: Model) -> None:
    code = (
        "import sys; from embed_pipeline.embedded.model import prepare; prepare(); "
        "print('onnx' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.strip() == "False"
