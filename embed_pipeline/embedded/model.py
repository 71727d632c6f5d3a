"""Have the model ready on this machine: its files found or fetched, its graph built."""

from dataclasses import dataclass
from pathlib import Path

from embed_pipeline.embedded.recipe import graph_path
from embed_pipeline.embedded.weights import SHA256, TOKENIZER, Weights, fetch, locate, verify_file


@dataclass(frozen=True)
class Model:
    """Name the files the endpoint runs from.

    Attributes:
        weights: The two files the model came in.
        graph: The graph built from them.
    """

    weights: Weights
    graph: Path


def prepare() -> Model:
    """Find the weights, fetch them if they are not here, and build the graph if it is not here.

    Raises:
        ConfigError: They cannot be found or fetched, are not the pinned ones, or the cache cannot
            be written.
    """
    weights = locate() or fetch()
    verify_file(weights.tokenizer, SHA256[TOKENIZER])
    if not graph_path().is_file():
        # onnx takes 0.2 s and 30 MB, and is needed only this once.
        from embed_pipeline.embedded.graph import build  # noqa: PLC0415 - see above

        build(weights)
    return Model(weights, graph_path())
