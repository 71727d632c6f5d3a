"""What every group of settings has in common: frozen, picklable, and strict about its keys."""

import difflib
import math
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from embed_pipeline.errors import ConfigError

MOST = 2**53 - 1  # the highest number that every reader of JSON and YAML takes for the same
_PLAIN_WORDS = {
    "int_parsing_size": f"must be at most {MOST}",
    "model_type": "must be a group of settings",
    "dict_type": "Input should be a mapping of names to values",
    "list_type": "Input should be a list",
    "string_too_short": "Input should be longer: a string that is not empty",
    "invalid_key": "a name must be a string; put it in quotes",
}


class Settings(BaseModel):
    """Be the base of the groups of a job file; an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_plain(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false for a number, as pydantic takes them for 1 and 0, and huge ones."""
        if isinstance(value, int | float):
            kinds = _alternatives(cls.model_fields[info.field_name or ""].annotation)
            if bool not in kinds and not {int, float}.isdisjoint(kinds):
                if isinstance(value, bool):
                    raise ValueError("must be a number, not true or false")
                if math.isfinite(value) and value > MOST:
                    raise ValueError(_PLAIN_WORDS["int_parsing_size"])
        return value


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
    places: dict[tuple[str, ...], list[str]] = {}
    branches = set()  # places where only a branch of a union did not fit
    for problem in error.errors(include_url=False, include_input=False):
        place, known = _walk(root, problem["loc"])
        kind = "invalid_key" if problem["loc"][-1:] == ("[key]",) else problem["type"]
        message = _PLAIN_WORDS.get(kind, problem["msg"])
        if kind == "extra_forbidden":
            message = f"unknown key{suggestion(place[-1], known)}"
        messages = places.setdefault(place, [])
        if message not in messages:
            messages.append(message)
        if len(place) < len(problem["loc"]):
            branches.add(place)
    for place in branches:  # a branch that fits but for what is in it is the one that was meant
        if any(other[: len(place)] == place and other != place for other in places):
            del places[place]
    return ConfigError(
        "\n".join(
            f"{where}: {'.'.join(name or repr(name) for name in place)}: {_either(messages)}"
            for place, messages in places.items()
        )
    )


def _either(messages: list[str]) -> str:
    """Join what the branches of a union ask for."""
    first, *others = (message.removeprefix("Value error, ") for message in messages)
    return " or ".join([first, *(message.removeprefix("Input should be ") for message in others)])


def _walk(root: Any, loc: Iterable[int | str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the part of pydantic's place that a user wrote, and the names known where it ends.

    Pydantic adds the branch it tried to the place of a union, and a mark to that of a key.
    """
    place: list[str] = []
    kinds, in_union, known = [root], False, list[str]()
    for part in loc:
        if in_union:
            in_union = False
            continue
        inner = [kind for kind in (_member(kind, part) for kind in kinds) if kind is not None]
        known = [name for kind in kinds for name in getattr(kind, "model_fields", ())]
        if inner or known:
            place.append(str(part))
        kinds = [kind for found in inner for kind in _alternatives(found)]
        in_union = len(kinds) > 1
    return tuple(place), known


def _member(kind: Any, part: int | str) -> Any:
    """Return the type of a group's field, a mapping's value or a list's item, or None."""
    if hasattr(kind, "model_fields"):
        field = kind.model_fields.get(part)
        return field.annotation if field else None
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict or (origin in (list, tuple) and isinstance(part, int)):
        return arguments[origin is dict]
    return None


def _alternatives(annotation: Any) -> list[Any]:
    """Return the members of a union but None, or the annotation itself."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) not in (Union, UnionType):
        return [annotation]
    members = [member for member in get_args(annotation) if member is not NoneType]
    return [kind for member in members for kind in _alternatives(member)]
