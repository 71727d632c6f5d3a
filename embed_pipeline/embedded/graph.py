"""Build the ONNX graph of all-MiniLM-L6-v2 from its weights, once, and keep it in the cache.

The graph uses ONNX Runtime's fused operators (EmbedLayerNormalization, Attention,
SkipLayerNormalization, FastGelu), then the mean over the tokens and the L2 norm. Matrices are
rounded to float16 and GELU has its tanh form: so computes the server whose vectors are to be met.
They are stored as float32 again, because the CPU multiplies those fastest.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from embed_pipeline.embedded.recipe import DIMENSION, EPSILON, HEADS, LAYERS, graph_path
from embed_pipeline.embedded.weights import Weights, verify
from embed_pipeline.errors import ConfigError

OPSET = 17

Tensors = dict[str, NDArray[np.float32]]


def build(weights: Weights) -> Path:
    """Return the path of the graph, and build it first if the cache does not hold it.

    A graph is built from verified files only, appears whole or not at all, and its name holds the
    digest of all it was made from; so a graph that is there is trusted.

    Raises:
        ConfigError: The weights are not the pinned ones, or the cache cannot be written.
    """
    path = graph_path()
    if path.is_file():
        return path
    verify(weights)
    model = assemble(read_safetensors(weights.tensors))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(model.SerializeToString())
        Path(file.name).chmod(0o644)  # as any other file of the cache: images are built by root
        Path(file.name).replace(path)
    except OSError as error:
        raise ConfigError(
            f"cannot write the model's graph to {path.parent}: {error.strerror}. Set"
            " XDG_CACHE_HOME to a folder that can be written."
        ) from error
    return path


def read_safetensors(path: Path) -> Tensors:
    """Read the float32 tensors of a safetensors file.

    The format is a little-endian uint64 with the header's length, the header as JSON, and the
    tensors' bytes. Tensors of other types (the position ids) are left out.
    """
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    tensors = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            begin, end = entry["data_offsets"]
            values = np.frombuffer(content[start + begin : start + end], "<f4")
            tensors[name] = values.reshape(entry["shape"])
    return tensors


def assemble(tensors: Tensors) -> onnx.ModelProto:
    """Make the graph.

    Args:
        tensors: The checkpoint's tensors, under its own names.

    Returns:
        A model with the inputs `ids` and `mask`, int32 of shape (batch, length), rows padded on the
        right where `mask` is 0, and the output `vectors`, float32 of shape (batch, 384), unit norm.
    """
    parameters = dict(_parameters(tensors))
    nodes = [*_embedding()]
    hidden = "embedded"
    for layer in range(LAYERS):
        nodes += _layer(layer, hidden)
        hidden = f"{layer}.hidden"
    nodes += _pooling(hidden)
    graph = helper.make_graph(
        nodes,
        "all-minilm-l6-v2",
        [
            helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", "length"])
            for name in ("ids", "mask")
        ],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", DIMENSION])],
        [numpy_helper.from_array(value, name) for name, value in parameters.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    # IR version 8 belongs to opset 17: a newer onnx would write one an older runtime refuses.
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _half(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    return matrix.astype(np.float16).astype(np.float32)


def _parameters(tensors: Tensors) -> Iterator[tuple[str, NDArray[np.generic]]]:
    def weight(name: str) -> NDArray[np.float32]:
        # The checkpoint has (out, in), ONNX multiplies by (in, out).
        return np.ascontiguousarray(_half(tensors[f"{name}.weight"]).T)

    yield "words", _half(tensors["embeddings.word_embeddings.weight"])
    positions = _half(tensors["embeddings.position_embeddings.weight"])
    # Every token is of type 0, so that type's embedding is a constant and is added to the
    # positions'. It is not rounded: so the reference values (test_fidelity.py) are met within
    # 1e-7, else within 4e-6.
    yield "positions", positions + tensors["embeddings.token_type_embeddings.weight"][0]
    yield "norm.scale", tensors["embeddings.LayerNorm.weight"]
    yield "norm.shift", tensors["embeddings.LayerNorm.bias"]
    for layer in range(LAYERS):
        source = f"encoder.layer.{layer}"
        heads = [f"{source}.attention.self.{part}" for part in ("query", "key", "value")]
        yield f"{layer}.qkv.weight", np.concatenate([weight(head) for head in heads], axis=1)
        yield f"{layer}.qkv.bias", np.concatenate([tensors[f"{head}.bias"] for head in heads])
        for ours, theirs in (
            ("attended", "attention.output.dense"),
            ("inner", "intermediate.dense"),
            ("outer", "output.dense"),
        ):
            yield f"{layer}.{ours}.weight", weight(f"{source}.{theirs}")
            yield f"{layer}.{ours}.bias", tensors[f"{source}.{theirs}.bias"]
        for ours, theirs in (("attended", "attention.output"), ("outer", "output")):
            yield f"{layer}.{ours}.scale", tensors[f"{source}.{theirs}.LayerNorm.weight"]
            yield f"{layer}.{ours}.shift", tensors[f"{source}.{theirs}.LayerNorm.bias"]
    yield "epsilon", np.array(EPSILON, np.float32)
    yield "middle", np.array([1], np.int64)


def _fused(operator: str, inputs: list[str], outputs: list[str], **attributes: object) -> object:
    return helper.make_node(operator, inputs, outputs, domain="com.microsoft", **attributes)


def _embedding() -> Iterator[object]:
    inputs = ["ids", "", "words", "positions", "", "norm.scale", "norm.shift", "mask"]
    # `lengths` is what Attention takes as its mask: how many tokens of each row count.
    yield _fused("EmbedLayerNormalization", inputs, ["embedded", "lengths"], epsilon=EPSILON)


def _layer(layer: int, hidden: str) -> Iterator[object]:
    def named(*names: str) -> list[str]:
        return [f"{layer}.{name}" for name in names]

    def skip(value: str, kept: str, name: str, out: str) -> object:
        parameters = named(f"{name}.scale", f"{name}.shift", f"{name}.bias")
        return _fused("SkipLayerNormalization", [value, kept, *parameters], [out], epsilon=EPSILON)

    heads, attended, middle, inner, active, outer, out = named(
        "heads", "attended", "middle", "inner", "active", "outer", "hidden"
    )
    inputs = [hidden, *named("qkv.weight", "qkv.bias"), "lengths"]
    yield _fused("Attention", inputs, [heads], num_heads=HEADS)
    yield helper.make_node("MatMul", [heads, *named("attended.weight")], [attended])
    yield skip(attended, hidden, "attended", middle)
    yield helper.make_node("MatMul", [middle, *named("inner.weight")], [inner])
    yield _fused("FastGelu", [inner, *named("inner.bias")], [active])
    yield helper.make_node("MatMul", [active, *named("outer.weight")], [outer])
    yield skip(outer, middle, "outer", out)


def _pooling(hidden: str) -> Iterator[object]:
    yield helper.make_node("Cast", ["mask"], ["counted"], to=TensorProto.FLOAT)
    yield helper.make_node("Unsqueeze", ["counted", "middle"], ["row"])
    # (batch, 1, length) x (batch, length, 384): the sum over the tokens that count. The mean's
    # denominator cancels in the norm.
    yield helper.make_node("MatMul", ["row", hidden], ["sums"])
    yield helper.make_node("Squeeze", ["sums", "middle"], ["sum"])
    yield helper.make_node("ReduceL2", ["sum"], ["norm"], axes=[1], keepdims=1)
    yield helper.make_node("Max", ["norm", "epsilon"], ["divisor"])
    yield helper.make_node("Div", ["sum", "divisor"], ["vectors"])
