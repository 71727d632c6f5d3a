"""What the embedded model is: its shape, and the name of the recipe its graph is built by."""

import hashlib
import json
from pathlib import Path

from embed_pipeline.embedded.weights import SHA256, TENSORS, TOKENIZER, cache_folder

LAYERS = 6
HEADS = 12
DIMENSION = 384
CONTEXT = 512  # tokens the model was trained for
EPSILON = 1e-12  # of the layer norms and of the final norm
PARAMETERS = 22_565_376

# The name of everything in graph.py that changes a vector. Change it with the graph.
RECIPE = "fused-bert/float16-matrices/tanh-gelu/mean/l2/2"

# 64 hex digits; the same on every machine, whichever version of onnx wrote the graph.
DIGEST = hashlib.sha256(
    json.dumps([SHA256[TENSORS], RECIPE, SHA256[TOKENIZER]]).encode()
).hexdigest()


def graph_path() -> Path:
    """Name the built graph's file in the user's cache; the name holds the digest."""
    return cache_folder() / f"graph-{DIGEST}.onnx"
