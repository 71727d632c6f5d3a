"""Every key of a job file, from the JSON Schema of one."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from embed_pipeline.job_schema import job_schema
from embed_pipeline.settings import MOST
from tests.reference.markdown import table

Schema = Mapping[str, Any]

HEADER = ("Key", "Type", "Default", "Meaning")


def regions() -> dict[str, str]:
    """Return a table for each group of a job, by its name, and one for all beside them."""
    root = job_schema()
    groups = dict(_keys(root, root, "", deep=False))
    job = groups.pop("job")
    found = {f"keys {name}": table(HEADER, [row(root, name, key)]) for name, key in groups.items()}
    for name, group in _keys(root, job, "job.", deep=False):
        rows = [row(root, *one) for one in _keys(root, group, f"{name}.", deep=True)]
        found[f"keys {name}"] = f"`{name}`: {group['description']}.\n\n{table(HEADER, rows)}"
    return found


def _keys(root: Schema, group: Schema, prefix: str, *, deep: bool) -> Iterator[tuple[str, Schema]]:
    """Yield the path and the schema of each key of a group, and those below it."""
    for name, key in _resolved(root, group)["properties"].items():
        required = name in _resolved(root, group).get("required", ())
        yield f"{prefix}{name}", {**key, "required here": required}
        if deep and _is_group(root, key):
            yield from _keys(root, key, f"{prefix}{name}.", deep=True)


def row(root: Schema, name: str, key: Schema) -> tuple[str, str, str, str]:
    """Return the cells of a key."""
    return f"`{name}`", _words(root, key), _default(root, key), key["description"]


def _default(root: Schema, key: Schema) -> str:
    if key["required here"]:
        return "required"
    if "default" not in key and _is_group(root, key):
        return "its keys' own"
    default = key["default"]
    if default is None:
        return "none"
    plain = isinstance(default, str) and default
    return f"`{default if plain else json.dumps(default)}`"


def _words(root: Schema, key: Schema) -> str:
    """Return what a key may hold, in words."""
    if "anyOf" in key:
        branches = [one for one in key["anyOf"] if one.get("type") != "null"]
        return ", or ".join(_words(root, one) for one in branches)
    if _is_group(root, key):
        return "group"
    if "title" in key or "enum" in key:
        return str(key.get("title") or one_of(key["enum"]))
    kinds = key.get("format") or key["type"]
    kind = str(kinds if isinstance(kinds, str) else kinds[0])
    return _KINDS[kind](root, key) if kind in _KINDS else kind


def _list(root: Schema, key: Schema) -> str:
    return f"list of {_several(_words(root, key['items']))}"


def _mapping(root: Schema, key: Schema) -> str:
    values = key.get("additionalProperties", True)
    return "mapping" if values is True else f"mapping to {_several(_words(root, values))}"


def _several(words: str) -> str:
    return f"{words}s" if words.isalpha() else words


def _number(_root: Schema, key: Schema) -> str:
    above = key.get("exclusiveMinimum")
    low = key.get("minimum", above)
    high = key.get("maximum")
    return bounded(key["type"], low, None if high == MOST else high, above=above is not None)


_KINDS: Mapping[str, Callable[[Schema, Schema], str]] = {
    "array": _list,
    "boolean": lambda _root, _key: "true or false",
    "integer": _number,
    "number": _number,
    "object": _mapping,
}


def one_of(values: list[str]) -> str:
    """Return alternatives in words."""
    *others, last = (f"`{value}`" for value in values)
    return f"{', '.join(others)} or {last}" if others else last


def bounded(kind: str, low: float | None, high: float | None, *, above: bool = False) -> str:
    """Return a kind of number with its bounds in words."""
    if low is None:
        return kind
    if above:
        return f"{kind}, above {low}"
    return f"{kind}, {low} or more" if high is None else f"{kind}, {low} to {high}"


def _is_group(root: Schema, key: Schema) -> bool:
    return "properties" in _resolved(root, key)


def _resolved(root: Schema, key: Schema) -> Schema:
    """Return the schema a key refers to, of a group that may be left out as well."""
    for one in (key, *key.get("anyOf", ())):
        if "$ref" in one:
            found: Schema = root["$defs"][one["$ref"].rpartition("/")[2]]
            return found
    return key
