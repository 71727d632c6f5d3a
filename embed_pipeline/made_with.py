"""What a dataset was made with, read back from its manifest, so that more rows can join it."""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from embed_pipeline.attributes import AttributeType, AttributeTypes
from embed_pipeline.chunking import CHUNK_TYPES
from embed_pipeline.endpoint import EMBEDDED, Batching, Endpoint, Retry
from embed_pipeline.errors import ConfigError, DatasetError, RefusedError
from embed_pipeline.manifest import Manifest
from embed_pipeline.output import Output
from embed_pipeline.schema import ARROW_TYPES, UNDECLARED, Layout
from embed_pipeline.settings import Settings, explain
from embed_pipeline.staging import MANIFEST
from embed_pipeline.tokens import Tokens

LEAST_COSINE = 0.9999  # of two runs' vectors of one text, where the same engine makes both
_TYPES: dict[str, AttributeType] = {
    str(ARROW_TYPES[name]): name for name in get_args(AttributeType)
}

S = TypeVar("S", bound=Settings)


class MadeWith(NamedTuple):
    """Hold the settings a dataset's rows were made with; its attributes are None if undeclared."""

    endpoint: Endpoint
    batching: Batching
    retry: Retry
    tokens: Tokens
    output: Output
    attributes: AttributeTypes | None


def made_with(
    dataset: str,
    manifest: Manifest,
    url: str | list[str] | None = None,
    headers: Mapping[str, str] = {},
) -> MadeWith:
    """Return the settings of a dataset's job; what a job's description lacks, from the provenance.

    Args:
        dataset: The dataset's folder, which may have moved since.
        manifest: Its manifest.
        url: Another address of the endpoint, or several; None: what the job had.
        headers: The headers, as their values are in no manifest.

    Raises:
        ConfigError: A setting is not what this version knows, or a header's value is missing.
        DatasetError: The columns the manifest names are not those of a dataset of these settings.
    """
    job, made = manifest.job, manifest.provenance
    tokens = {name: made[name] for name in ("prefix", "query_prefix", "on_too_long")}
    output = _group(Output, {**job.get("output", {}), "path": dataset})
    found = MadeWith(
        _endpoint(job.get("endpoint", {}), made, url, headers),
        _group(Batching, job.get("batching", {})),
        _group(Retry, job.get("retry", {})),
        _group(Tokens, job.get("tokens", tokens)),
        output,
        _attributes(manifest, output),
    )
    schema = Layout(output, made["dimension"], found.attributes).schema()
    if [(field.name, str(field.type)) for field in schema] != list(manifest.columns.items()):
        raise DatasetError(
            f"{dataset}: the columns its {MANIFEST} names are not those of a dataset of its job, "
            "so nothing can be added to it; make the dataset again"
        )
    return found


def _group(kind: type[S], values: Mapping[str, Any]) -> S:
    """Return a group of settings."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise explain(error, kind, f"{MANIFEST}, {kind.__name__.lower()}") from error


def _endpoint(
    job: Mapping[str, Any],
    made: Mapping[str, Any],
    url: str | list[str] | None,
    headers: Mapping[str, str],
) -> Endpoint:
    """Return the endpoint; an embedded one had a port that means nothing any more."""
    given = {name.lower() for name in headers}
    missing = [name for name in job.get("headers", ()) if name.lower() not in given]
    if missing:
        raise ConfigError(
            f"the dataset's job sent the header '{missing[0]}' with every request, and a manifest "
            "holds no values of headers: give it, as --header "
            f"'{missing[0]}=NAME' with the NAME of the environment variable that holds the value"
        )
    addresses = made["endpoint"].split(", ")
    known = job.get("url", addresses if len(addresses) > 1 else addresses[0])
    if made["endpoint_kind"] == EMBEDDED:
        known = EMBEDDED
    told = {"model": made["model"], "dimensions": made["dimensions_asked"]}
    more = {"options": made["options"], "url": url or known, "headers": dict(headers)}
    return _group(Endpoint, {**job, **told, **more})


def _attributes(manifest: Manifest, output: Output) -> AttributeTypes | None:
    """Return the attributes' types: the columns that are not our own."""
    ours = set(output.taken)
    types: AttributeTypes = {}
    for name, kind in manifest.columns.items():
        if name not in ours and kind in _TYPES:
            types[name] = _TYPES[kind]
    undeclared = list(types) == [UNDECLARED] and "corpus" not in manifest.job
    return None if undeclared else types


def attribute_types(manifest: Manifest) -> AttributeTypes:
    """Return the types of the documents' own attributes in a dataset whose columns are declared."""
    ours = {*Output.model_validate(manifest.job["output"]).taken}
    if manifest.provenance["on_too_long"] == "chunk":
        ours |= CHUNK_TYPES.keys()
    return {
        name: _TYPES[kind]
        for name, kind in manifest.columns.items()
        if name not in ours and kind in _TYPES
    }


def check_same_engine(made: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse an engine whose vectors do not belong beside those of a dataset.

    Args:
        made: The dataset's provenance.
        found: The provenance a run would have now.

    Raises:
        RefusedError: The model's digest, what it reads, or a canary's vector is another; the last
            where the cosine is below LEAST_COSINE.
    """
    where = f"{found['endpoint']} has another '{made['model']}' than the dataset was made with"
    cure = (
        "their vectors do not belong into one dataset; give the address of the one it was made "
        f"with: --url (it was: {made['endpoint']}), or make the dataset again"
    )
    if found["digest"] != made["digest"]:
        digests = f"{found['digest'][:12] or 'unknown'}, not {made['digest'][:12] or 'unknown'}"
        raise RefusedError(f"{where} (digest {digests}): {cure}")
    for name in ("dimension", "context"):
        if found[name] != made[name]:
            raise RefusedError(f"{where} ({name} {found[name]}, not {made[name]}): {cure}")
    different = moved(made, found)
    if different:
        text, cosine = different[0]
        raise RefusedError(
            f"{where}, or computes otherwise: the vectors of {text!r} have the cosine "
            f"{cosine:.4f}, {LEAST_COSINE} at least are wanted; {cure}"
        )


def moved(made: Mapping[str, Any], found: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the canary texts whose two vectors differ, with their cosines, the worst first.

    Texts that one of the two has no vector for tell nothing: such a text is a failure, not a row.

    Args:
        made: The provenance of a dataset.
        found: The provenance a run would have now.

    Raises:
        RefusedError: The two have no text in common.
    """
    then, now = _canary(made), _canary(found)
    cosines = {
        text: float(then[text] @ now[text] / np.linalg.norm(then[text]) / np.linalg.norm(now[text]))
        for text in then.keys() & now.keys()
    }
    if not cosines:
        raise RefusedError(
            "the dataset's manifest has no vectors that today's could be held against (canary), so "
            "it cannot be told whether the same engine makes them; make the dataset again"
        )
    worst_first = sorted(cosines.items(), key=lambda one: one[1])
    return [(text, cosine) for text, cosine in worst_first if not cosine >= LEAST_COSINE]


def _canary(provenance: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return the canary's vectors that are not zero, by text."""
    canary = provenance.get("canary") or {"texts": [], "vectors": ""}
    flat = np.frombuffer(base64.b64decode(canary["vectors"]), "<f4").astype(np.float64)
    vectors = flat.reshape(-1, provenance["dimension"])
    pairs = zip(canary["texts"], vectors, strict=True)
    return {text: vector for text, vector in pairs if vector.any()}
