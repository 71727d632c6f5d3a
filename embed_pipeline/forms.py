"""The forms of an endpoint's settings: for validating them, and as JSON Schema."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic.config import JsonDict

from embed_pipeline.settings import MOST

GO_DURATION = re.compile(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")  # one part of it
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token

KEEP_ALIVE: JsonDict = {
    "anyOf": [
        {"type": "number", "maximum": MOST, "title": "number of seconds"},
        {"type": "string", "title": "duration", "pattern": f"^(0|-?({GO_DURATION.pattern})+)$"},
    ]
}
HEADERS: JsonDict = {
    "propertyNames": {"pattern": f"^{HEADER_NAME.pattern}$"},
    "additionalProperties": {"type": "string", "pattern": "^([!-~]([ -~]*[!-~])?)?$"},
}
_ADDRESS: JsonDict = {
    "type": "string",
    "title": "address",
    "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^?#]+$",
}


def addresses(words: Sequence[str]) -> JsonDict:
    """Return the schema of a word, an address or a list of addresses."""
    several: JsonDict = {
        "type": "array",
        "title": "list of addresses",
        "items": _ADDRESS,
        "minItems": 1,
        "uniqueItems": True,
    }
    return {"anyOf": [{"enum": [*words]}, _ADDRESS, several]}


def exactly_one(schema: dict[str, Any]) -> None:
    """Say in the schema of a group that one of its keys is given, and not as null."""
    schema["oneOf"] = [
        {"required": [name], "properties": {name: {"type": "string"}}}
        for name in schema["properties"]
    ]
