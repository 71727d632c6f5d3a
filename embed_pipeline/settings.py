"""What every group of settings has in common: frozen, picklable, and strict about its keys."""

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from embed_pipeline.errors import ConfigError


class Settings(BaseModel):
    """Be the base of the groups of a job file; an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the nearest known name, or the list of known names."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known here: {', '.join(names)}"


def explain(error: ValidationError, root: type[BaseModel], where: str) -> ConfigError:
    """Turn pydantic's error into one line a problem: where it is, what is wrong, what is meant.

    Args:
        error: What validating a `root` raised.
        root: The model that was validated, for the names known at each place.
        where: The file, or other origin, of the values.
    """
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        place = [str(part) for part in problem["loc"]]
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            known = _fields(root, place[:-1])
            message = f"unknown key{suggestion(place[-1], known)}"
        lines.append(f"{where}: {'.'.join(place)}: {message}")
    return ConfigError("\n".join(lines))


def _fields(model: type[BaseModel], place: list[str]) -> Iterable[str]:
    """Return the field names of the model found by walking `place` down from `model`."""
    current: Any = model
    for name in place:
        field = current.model_fields.get(name)
        if field is None:  # a branch of a union adds its own name to the place
            continue
        current = next(
            (kind for kind in _alternatives(field.annotation) if hasattr(kind, "model_fields")),
            current,
        )
    return list(current.model_fields)


def _alternatives(annotation: Any) -> Iterable[Any]:
    """Return the members of a union, or the annotation itself."""
    return getattr(annotation, "__args__", None) or (annotation,)
