"""Where a dataset's vectors come from, as its manifest and every file's footer say it."""

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from embed_pipeline import __version__
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.engine import CANARY_TEXTS, Engine
from embed_pipeline.tokens import Tokens

FOOTER_KEY = "embed_pipeline"
ACCEPTED = "accepted_engine_changes"  # in words; only where vectors of several engines were mixed


def provenance(endpoint: Endpoint, engine: Engine, tokens: Tokens) -> dict[str, Any]:
    """Return what made the vectors, as JSON values, without secrets and without a clock.

    The canary's vectors are the base64 of little-endian float32, row by row.
    `truncate` is what every request asks of the endpoint: false, not to cut texts by itself. Only a
    text of unknown tokens that was refused as too long is sent again with true.
    """
    tokenizer = engine.limits.tokenizer
    return {
        "model": engine.model,
        "digest": engine.digest,
        "model_license": engine.license,
        "endpoint": engine.kind if engine.kind == "embedded" else engine.url,
        "endpoint_kind": engine.kind,
        "endpoint_version": engine.version,
        "context": engine.limits.context,
        "context_source": engine.limits.context_source,
        "dimension": engine.dimension,
        "dimensions_asked": endpoint.dimensions,
        "options": endpoint.options,
        "truncate": False,
        "on_too_long": tokens.on_too_long,
        "prefix": tokens.prefix,
        "query_prefix": tokens.query_prefix,
        "tokenizer": None
        if tokenizer is None
        else {"from": tokenizer.origin, "sha256": tokenizer.digest},
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
