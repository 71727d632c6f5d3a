"""Literal records for tests of the dataset."""

from typing import Any

import numpy as np

from embed_pipeline.endpoint import Endpoint
from embed_pipeline.engine import CANARY_TEXTS, Engine
from embed_pipeline.limits import Limits
from embed_pipeline.provenance import provenance
from embed_pipeline.records import Embedded
from embed_pipeline.tokens import Tokens
from tests.support.scripted import DIGEST, DIMENSION, vector_of

RUN_ID = "20260101T000000Z-abc123"


def row(identity: str, text: str = "", **fields: Any) -> Embedded:
    """Return an embedded document; its vector is the scripted endpoint's for its text."""
    text = text or f"text of {identity}"
    values: dict[str, Any] = {
        "attributes": {},
        "source": "",
        "line": None,
        "mark": b"",
        "vector": vector_of(text),
        "model": "all-minilm",
        "token_count": 5,
        "token_count_source": "estimated",
        "truncated": None,
        **fields,
    }
    return Embedded(id=identity, text=text, **values)


def made_by() -> dict[str, Any]:
    """Return a provenance as a run would find it at a scripted endpoint."""
    canary = np.stack([vector_of(text) for text in CANARY_TEXTS])
    limits = Limits(256, "server", True, None)
    engine = Engine("http://127.0.0.1:1", "1.2.3", "all-minilm", DIGEST, limits, DIMENSION, canary)
    return provenance(Endpoint(url="http://127.0.0.1:1", model="all-minilm"), engine, Tokens())
