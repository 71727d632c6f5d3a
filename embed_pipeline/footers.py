"""What the footer of a data file says: its columns and its origin, held against the manifest."""

from collections.abc import Mapping
from typing import Any, get_args

import orjson
import pyarrow.parquet as pq
from pydantic import ValidationError

from embed_pipeline.manifest import Manifest
from embed_pipeline.output import Output
from embed_pipeline.provenance import FOOTER_KEY
from embed_pipeline.schema import Layout

VECTOR_TYPES = get_args(Output.model_fields["vector_type"].annotation)


def find_layout(manifest: Manifest) -> Layout | None:
    """Return what a manifest's columns say of the rows, the attributes left out.

    None where they cannot be the rows of a dataset of the manifest's job and dimension.
    """
    settings = manifest.job.get("output") or {}
    known = {name: settings[name] for name in ("columns", "text") if name in settings}
    for vector_type in VECTOR_TYPES:
        try:
            output = Output.model_validate({"path": ".", **known, "vector_type": vector_type})
            layout = Layout(output, int(manifest.provenance["dimension"]), {})
            columns = {field.name: str(field.type) for field in layout.schema()}
        except (ValidationError, KeyError, TypeError, ValueError):
            return None
        if columns.items() <= manifest.columns.items():
            return layout
    return None


def wrong_columns(parquet: pq.ParquetFile, columns: Mapping[str, str]) -> str | None:
    """Tell how a file's columns differ from those the manifest names, in names, types or order."""
    fields = [(field.name, str(field.type)) for field in parquet.schema_arrow]
    if fields == list(columns.items()):
        return None
    found = dict(fields)
    differences = [
        f"'{name}' is {found.get(name, 'missing')}, not {columns.get(name, 'among them')}"
        for name in {**columns, **found}
        if found.get(name) != columns.get(name)
    ]
    return "; ".join(differences) or "their order or number differs"


def wrong_origin(parquet: pq.ParquetFile, provenance: Mapping[str, Any]) -> str | None:
    """Tell how a file's provenance differs from the manifest's."""
    content = (parquet.metadata.metadata or {}).get(FOOTER_KEY.encode())
    try:
        found = orjson.loads(content or b"null")
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        return "its footer does not say what made its vectors"
    made = orjson.loads(orjson.dumps(dict(provenance)))
    keys = sorted(key for key in {*found, *made} if found.get(key) != made.get(key))
    if not keys:
        return None
    return f"its footer tells of another origin than the manifest: {', '.join(keys)} differ"
