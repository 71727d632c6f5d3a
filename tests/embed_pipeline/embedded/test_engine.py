"""The engine without a server: what it does with a damaged graph and with abandoned work."""

import os
from pathlib import Path

import numpy as np
import pytest

from embed_pipeline.embedded.engine import Context, Engine, TextTokenizer, available_processors
from embed_pipeline.embedded.model import prepare
from embed_pipeline.errors import ConfigError


def test_a_damaged_graph_says_what_to_do(tmp_path: Path) -> None:
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="the next start builds it again") as caught:
        Engine(graph)
    assert str(graph) in str(caught.value)


def test_abandoned_work_ends_between_two_calls() -> None:
    model = prepare()
    texts = ["word " * 200] * 20
    tokens = TextTokenizer(model.weights.tokenizer).encode(texts, Context(), truncate=True)
    answers = iter([False, True])
    vectors = Engine(model.graph).embed(tokens, lambda: next(answers))
    computed = np.linalg.norm(vectors, axis=1) > 0
    assert computed.tolist() == [True] * 5 + [False] * 15


def test_no_texts_give_no_vectors() -> None:
    assert Engine(prepare().graph).embed([]).shape == (0, 384)


def test_processors_are_those_of_this_process() -> None:
    assert available_processors() == len(os.sched_getaffinity(0))
