"""The JSON Schema of a job file, for editors and whoever writes job files by a program.

What one key may hold is in it; what several say together, and what is not a matter of form (whether
a template of texts can be read, whether files are there), only loading a job tells.
"""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from embed_pipeline.job import JobFile
from embed_pipeline.settings import MOST


class _Untitled(GenerateJsonSchema):
    """Make a schema without a title for each key, which would be its name once more."""

    def int_schema(self, schema: Any) -> dict[str, Any]:
        """Bound a whole number as the loader does."""
        return {"maximum": MOST} | super().int_schema(schema)

    def float_schema(self, schema: Any) -> dict[str, Any]:
        """Bound a number as the loader does, so that .inf is none."""
        return {"maximum": MOST} | super().float_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's name)
        """Tell whether a key is given a title."""
        return False


def job_schema() -> dict[str, Any]:
    """Return the schema, in draft 2020-12."""
    found = JobFile.model_json_schema(schema_generator=_Untitled)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **found,
        "title": "A job file of embed_pipeline",
        "description": "See docs/configuration.md.",
    }


def as_text() -> str:
    """Return the schema as JSON, as it stands in configs/job.schema.json."""
    return json.dumps(job_schema(), indent=2, ensure_ascii=False) + "\n"
