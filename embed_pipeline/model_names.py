"""Names of models, as endpoints and users write them."""

from collections.abc import Mapping
from typing import Any

EMBEDDED_MODELS = ("all-minilm", "all-minilm:latest", "all-minilm:22m", "all-minilm:l6-v2")


def is_embedded(asked: str) -> bool:
    """Tell whether a model is the one the embedded endpoint serves."""
    return asked.lower() in EMBEDDED_MODELS


def same_model(listed: object, asked: str) -> bool:
    """Tell whether an endpoint's name for a model is the one asked for.

    The tag defaults to `latest`, the origin to the endpoint's own library; case does not matter.
    """
    return isinstance(listed, str) and _full_name(listed) == _full_name(asked)


def entry_of(answer: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return a model's entry in an answer of `/api/ps` or `/api/tags`; {} where there is none."""
    mine = (entry for entry in _entries(answer) if same_model(entry.get("name"), model))
    return next(mine, {})


def names_of(answer: Mapping[str, Any]) -> list[str]:
    """Return the names of the models in an answer of `/api/ps` or `/api/tags`."""
    return [str(entry.get("name")) for entry in _entries(answer)]


def _entries(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = answer.get("models")
    return [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []


def _full_name(name: str) -> str:
    name = name.strip().lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
