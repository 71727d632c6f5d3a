"""Whether the vectors of a snapshot may stand beside those a job makes now, and if not, why."""

from collections.abc import Mapping
from typing import Any

from embed_pipeline.job import Job
from embed_pipeline.manifest import Manifest
from embed_pipeline.model_names import same_model
from embed_pipeline.output import Output

LONGEST = 80  # characters of a value that are shown
_LAYOUT = ("columns", "text", "vector_type")
_FOUND_OUT = ("digest", "context", "dimension", "tokenizer")


def differences(manifest: Manifest, job: Job, digest: str) -> list[str]:
    """Return which settings differ from those a snapshot was made with, in words.

    Args:
        manifest: The snapshot's.
        job: The job of now.
        digest: The model's digest now; "" where it is not known yet.
    """
    made, before = manifest.provenance, manifest.job
    pairs: list[tuple[str, Any, Any]] = [
        ("endpoint.dimensions", made["dimensions_asked"], job.endpoint.dimensions),
        ("endpoint.options", made["options"], job.endpoint.options),
        ("tokens.prefix", made["prefix"], job.tokens.prefix),
        ("tokens.on_too_long", made["on_too_long"], job.tokens.on_too_long),
    ]
    if not same_model(made["model"], job.endpoint.model):
        pairs.insert(0, ("endpoint.model", made["model"], job.endpoint.model))
    elif digest and made["digest"] != digest:
        pairs.insert(0, ("the model's digest", made["digest"][:12], digest[:12]))
    if job.chunks:
        chunking = job.chunking.model_dump(mode="json")
        pairs.append(("chunking", before.get("chunking"), chunking))
    output = Output(path=".").model_dump(mode="json") | (before.get("output") or {})
    now = job.output.model_dump(mode="json")
    pairs += [(f"output.{name}", output[name], now[name]) for name in _LAYOUT]
    return [_told(name, then, now) for name, then, now in pairs if then != now]


def found_differences(made: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return what an engine has turned out to have otherwise than a snapshot's, in words.

    Args:
        made: The snapshot's provenance.
        found: The provenance that vectors would have now.
    """
    named = {**dict.fromkeys(_FOUND_OUT, "the model's "), "tokenizer": "the "}
    return [
        _told(f"{named[name]}{name}", made[name], found[name])
        for name in _FOUND_OUT
        if made[name] != found[name]
    ]


def _told(name: str, then: Any, now: Any) -> str:
    return f"{name} was {_shown(then)}, is {_shown(now)}"


def _shown(value: Any) -> str:
    shown = repr(value) if value not in (None, "") else "not set"
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
