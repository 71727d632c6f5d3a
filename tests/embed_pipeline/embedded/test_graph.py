"""The graph: what it is made of, and that it is built once, whole, from the pinned files only."""

import json
import stat
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from embed_pipeline.embedded.engine import Engine
from embed_pipeline.embedded.graph import Tensors, assemble, build, read_safetensors
from embed_pipeline.embedded.recipe import graph_path
from embed_pipeline.embedded.weights import Weights
from embed_pipeline.errors import ConfigError

TENTH_AS_HALF = 0.0999755859375  # 0.1 rounded to float16
TENTH = float(np.float32(0.1))
KINDS = ("weight", "bias")
DENSE = ("attention.output", "intermediate", "output")


def checkpoint() -> Tensors:
    """Return tensors under a checkpoint's names; each value is 0.1 unless a test sets it."""
    layer = [
        *(f"attention.self.{part}.{kind}" for part in ("query", "key", "value") for kind in KINDS),
        *(f"{part}.dense.{kind}" for part in DENSE for kind in KINDS),
        *(f"{part}.LayerNorm.{kind}" for part in ("attention.output", "output") for kind in KINDS),
    ]
    names = [
        *(f"embeddings.{part}_embeddings.weight" for part in ("word", "position", "token_type")),
        *(f"embeddings.LayerNorm.{kind}" for kind in KINDS),
        *(f"encoder.layer.{number}.{name}" for number in range(6) for name in layer),
    ]
    return {name: np.full((2, 2) if is_matrix(name) else 2, 0.1, np.float32) for name in names}


def is_matrix(name: str) -> bool:
    return name.endswith("weight") and "LayerNorm" not in name


def parameters(tensors: Tensors) -> dict[str, NDArray[np.generic]]:
    return {
        found.name: numpy_helper.to_array(found) for found in assemble(tensors).graph.initializer
    }


def test_matrices_are_rounded_to_half_precision_and_the_rest_is_not() -> None:
    found = parameters(checkpoint())
    for name in ("words", "0.qkv.weight", "3.attended.weight", "4.inner.weight", "5.outer.weight"):
        assert np.unique(found[name]).tolist() == [TENTH_AS_HALF], name
    for name in ("norm.scale", "norm.shift", "0.qkv.bias", "2.inner.bias", "5.outer.scale"):
        assert np.unique(found[name]).tolist() == [TENTH], name


def test_the_first_token_types_embedding_is_part_of_the_positions() -> None:
    tensors = checkpoint()
    tensors["embeddings.position_embeddings.weight"] = np.array([[1, 2], [3, 4]], np.float32)
    tensors["embeddings.token_type_embeddings.weight"] = np.array([[10, 20], [7, 7]], np.float32)
    assert parameters(tensors)["positions"].tolist() == [[11, 22], [13, 24]]


def test_query_key_and_value_stand_side_by_side_and_transposed() -> None:
    tensors = checkpoint()
    for number, part in enumerate(("query", "key", "value")):
        source = f"encoder.layer.4.attention.self.{part}"
        tensors[f"{source}.weight"] = np.array([[1, 2], [3, 4]], np.float32) + 10 * number
        tensors[f"{source}.bias"] = np.array([5, 6], np.float32) + 10 * number
    found = parameters(tensors)
    assert found["4.qkv.weight"].tolist() == [[1, 3, 11, 13, 21, 23], [2, 4, 12, 14, 22, 24]]
    assert found["4.qkv.bias"].tolist() == [5, 6, 15, 16, 25, 26]


def test_the_graph_has_the_inputs_and_the_output_that_the_engine_names() -> None:
    model = assemble(checkpoint())
    shapes = {
        value.name: (
            value.type.tensor_type.elem_type,
            [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim],
        )
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "ids": (onnx.TensorProto.INT32, ["batch", "length"]),
        "mask": (onnx.TensorProto.INT32, ["batch", "length"]),
        "vectors": (onnx.TensorProto.FLOAT, ["batch", 384]),
    }


def test_the_graph_is_of_a_version_that_older_runtimes_read() -> None:
    model = assemble(checkpoint())
    assert model.ir_version == 8
    assert {opset.domain: opset.version for opset in model.opset_import} == {
        "": 17,
        "com.microsoft": 1,
    }


def test_the_graph_has_six_layers_of_twelve_heads() -> None:
    attention = [node for node in assemble(checkpoint()).graph.node if node.op_type == "Attention"]
    assert [node.input[0] for node in attention] == [
        "embedded", "0.hidden", "1.hidden", "2.hidden", "3.hidden", "4.hidden",
    ]  # fmt: skip
    assert {node.attribute[0].i for node in attention} == {12}


def test_only_the_float32_tensors_of_a_file_are_read(tmp_path: Path) -> None:
    floats = np.array([[1, 2, 3], [-0.5, 0, 1e-7]], "<f4")
    numbers = np.array([7, 8], "<i8")
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "numbers": {"dtype": "I64", "shape": [2], "data_offsets": [0, 16]},
            "floats": {"dtype": "F32", "shape": [2, 3], "data_offsets": [16, 40]},
        }
    ).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(
        len(header).to_bytes(8, "little") + header + numbers.tobytes() + floats.tobytes()
    )
    tensors = read_safetensors(path)
    assert list(tensors) == ["floats"]
    np.testing.assert_array_equal(tensors["floats"], floats)


def test_a_graph_is_built_once_and_can_be_loaded(real_weights: Weights, cache: Path) -> None:
    path = build(real_weights)
    assert path == graph_path()
    assert list(cache.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert Engine(path).embed([np.array([101, 102], np.int32)]).shape == (1, 384)
    written = path.stat().st_mtime_ns
    assert build(real_weights) == path
    assert path.stat().st_mtime_ns == written


def test_a_graph_that_is_there_needs_no_weights(cache: Path, tmp_path: Path) -> None:
    cache.mkdir(parents=True)
    graph_path().write_bytes(b"built before")
    assert build(Weights.within(tmp_path / "nothing")) == graph_path()
    assert graph_path().read_bytes() == b"built before"


def test_a_cache_that_cannot_be_written_is_an_error_with_its_cure(
    real_weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"cannot write the model's graph.*Set XDG_CACHE_HOME"):
        build(real_weights)


def test_a_graph_is_built_from_the_pinned_files_only(cache: Path) -> None:
    cache.mkdir(parents=True)
    weights = Weights.within(cache)
    weights.tensors.write_bytes(b"x")
    weights.tokenizer.write_bytes(b"y")
    with pytest.raises(ConfigError) as caught:
        build(weights)
    message = str(caught.value)
    assert str(weights.tensors) in message
    assert "sha256 is 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" in message
    assert "embed-pipeline fetch" in message
    assert not graph_path().exists()
