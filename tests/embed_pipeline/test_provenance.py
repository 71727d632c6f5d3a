"""Provenance: what made the vectors, without secrets and without a clock."""

import base64

import numpy as np

from embed_pipeline import __version__
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.engine import CANARY_TEXTS, Engine
from embed_pipeline.provenance import provenance
from tests.support.rows import made_by
from tests.support.scripted import DIGEST, vector_of


def test_it_names_model_server_and_settings() -> None:
    found = made_by()
    del found["canary"]
    assert found == {
        "model": "all-minilm",
        "digest": DIGEST,
        "endpoint": "http://127.0.0.1:1",
        "endpoint_kind": "server",
        "endpoint_version": "1.2.3",
        "context": 256,
        "dimension": 8,
        "dimensions_asked": None,
        "options": {},
        "truncate": None,
        "normalized": True,
        "embed_pipeline": __version__,
    }


def test_the_canary_is_kept_to_the_bit() -> None:
    expected = np.stack([vector_of(text) for text in CANARY_TEXTS])
    stored = base64.b64decode(made_by()["canary"]["vectors"])
    assert np.array_equal(np.frombuffer(stored, "<f4").reshape(expected.shape), expected)


def test_an_embedded_endpoint_is_named_without_its_random_port() -> None:
    engine = Engine(
        "http://127.0.0.1:4711", "0.30.0-embedded.1", "m", "d", 256, 1, np.ones((1, 1), np.float32)
    )
    found = provenance(Endpoint(url="http://127.0.0.1:4711", model="m"), engine)
    assert (found["endpoint"], found["endpoint_kind"]) == ("embedded", "embedded")
