"""Where a dataset's vectors come from, as its manifest and every file's footer say it."""

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from embed_pipeline import __version__
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.engine import CANARY_TEXTS, Engine

FOOTER_KEY = "embed_pipeline"


def provenance(endpoint: Endpoint, engine: Engine) -> dict[str, Any]:
    """Return what made the vectors, as JSON values, without secrets and without a clock.

    The canary's vectors are the base64 of little-endian float32, row by row.
    """
    return {
        "model": engine.model,
        "digest": engine.digest,
        "endpoint": engine.kind if engine.kind == "embedded" else engine.url,
        "endpoint_kind": engine.kind,
        "endpoint_version": engine.version,
        "context": engine.context,
        "dimension": engine.dimension,
        "dimensions_asked": endpoint.dimensions,
        "options": endpoint.options,
        "truncate": None,
        "normalized": True,
        "embed_pipeline": __version__,
        "canary": {
            "texts": list(CANARY_TEXTS),
            "vectors": base64.b64encode(engine.canary.astype("<f4").tobytes()).decode(),
        },
    }


def footer(found: Mapping[str, Any]) -> dict[str, str]:
    """Return a provenance as the key-value metadata of a Parquet footer."""
    return {FOOTER_KEY: orjson.dumps(dict(found), option=orjson.OPT_SORT_KEYS).decode()}
