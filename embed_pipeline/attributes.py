"""The attributes of documents: four types, one schema for the whole dataset, checked row by row."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

import numpy as np

from embed_pipeline.errors import BadAttribute, ConfigError
from embed_pipeline.json_values import as_json

AttributeType = Literal["int64", "double", "bool", "string"]
AttributeTypes = dict[str, AttributeType]

_EXACT: Mapping[AttributeType, Any] = {"int64": int, "double": float, "bool": bool, "string": str}
_INT64 = range(-(2**63), 2**63)
_BOOLS = {"true": True, "false": False}


def type_of(value: Any) -> AttributeType | None:
    """Return the type a value asks for, or None for null.

    Integers beyond 64 bits, nested values and everything else ask for a string.
    """
    if value is None:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64" if value in _INT64 else "string"
    return "double" if isinstance(value, float) else "string"


def merge(first: AttributeType, other: AttributeType) -> AttributeType:
    """Return the type of an attribute that was seen with two types.

    Integers and floats make a double; otherwise the first type wins.
    """
    return "double" if {first, other} == {"int64", "double"} else first


def contradict(first: AttributeType, other: AttributeType) -> bool:
    """Say whether an attribute of the first type has no room for values of the other."""
    return first not in ("string", other) and {first, other} != {"int64", "double"}


def check_names(types: Mapping[str, AttributeType], taken: Collection[str]) -> None:
    """Check that no attribute has the name of another column of the dataset.

    Raises:
        ConfigError: One has.
    """
    clashing = sorted(set(types) & set(taken))
    if clashing:
        raise ConfigError(
            f"the corpus has attributes named like columns of the dataset: {', '.join(clashing)}; "
            "rename the columns (output.columns) or leave the attributes out (corpus.attributes: "
            f"[{', '.join(f'-{name}' for name in clashing)}])"
        )


def conform(
    attributes: Mapping[str, Any], types: Mapping[str, AttributeType]
) -> Mapping[str, int | float | bool | str | None]:
    """Return attributes in the types of the dataset's schema; missing ones are None.

    Attributes that are so already, as those a reader has checked, are returned themselves.

    What fits without loss is converted: integers to double and back, and into a string whatever
    is none: numbers and booleans as JSON writes them, nested values as JSON.

    Raises:
        BadAttribute: A value does not fit, or an attribute is not in the schema.
    """
    if attributes.keys() != types.keys():
        unknown = attributes.keys() - types.keys()
        if unknown:
            refuse_unknown(unknown, attributes)
    elif not any(_unfit(attributes[name], wanted) for name, wanted in types.items()):
        return attributes
    return fit(attributes, types)


def fit(
    values: Mapping[str, Any], types: Mapping[str, AttributeType]
) -> dict[str, int | float | bool | str | None]:
    """Return those values of a row that are in the schema, as `conform` does."""
    fitting: dict[str, Any] = {}
    for name, wanted in types.items():
        value = values.get(name)
        fitting[name] = _convert(name, value, wanted) if _unfit(value, wanted) else value
    return fitting


def _unfit(value: Any, wanted: AttributeType) -> bool:
    """Tell whether a value is not of a type, or must be looked at more closely."""
    return value is not None and (
        type(value) is not _EXACT[wanted]
        or (wanted == "string" and not value.isascii())
        or (wanted == "int64" and value not in _INT64)
    )


def refuse_unknown(unknown: Collection[str], values: Mapping[str, Any]) -> None:
    """Raise BadAttribute where one of these attributes, which are in no schema, has a value."""
    found = sorted(name for name in unknown if values[name] is not None)
    if found:
        name = found[0]
        kind = type_of(values[name])
        raise BadAttribute(
            f"attribute {name!r} of type {kind} is not in the dataset's schema, as it was not in "
            f"the sample of the corpus; declare it in corpus.attributes ({name}: {kind}) or leave "
            f"it out (-{name})"
        )


def from_strings(values: dict[str, Any], types: Mapping[str, AttributeType]) -> None:
    """Convert, in place, strings of a format without types where a type is declared.

    An empty string is null unless declared a string. What cannot be converted is left for
    `conform` to refuse.
    """
    for name, wanted in types.items():
        value = values.get(name)
        if isinstance(value, str) and wanted != "string":
            values[name] = _parse(value, wanted) if value else None


def _parse(value: str, wanted: AttributeType) -> Any:
    if wanted == "bool":
        return _BOOLS.get(value.lower(), value)
    parser: Callable[[str], int | float] = int if wanted == "int64" else float
    try:
        return value if "_" in value else parser(value)
    except ValueError:
        return value


def _convert(name: str, value: Any, wanted: AttributeType) -> Any:
    """Convert a value that is not null and not of exactly the wanted type, or raise."""
    if isinstance(value, np.generic):
        value = value.item()
        if type(value) is _EXACT[wanted] and wanted in ("double", "bool"):
            return value
    if wanted == "string":
        return _as_string(name, value)
    if isinstance(value, float) and wanted == "int64" and value.is_integer():
        value = int(value)
    if type(value) is int and wanted == "int64" and value in _INT64:
        return value
    if type(value) is int and wanted == "double" and abs(value) <= 2**53:
        return float(value)
    raise _misfit(name, value, wanted)


def _as_string(name: str, value: Any) -> str:
    if isinstance(value, str):
        text = value
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    else:
        try:
            text = as_json(value)
        except TypeError as error:
            raise _misfit(name, value, "string", f": {error}") from error
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadAttribute(
            f"attribute {name!r} holds the lone surrogate U+{ord(text[error.start]):04X} at "
            f"character {error.start}; it was decoded wrongly where the corpus was made"
        ) from error
    return text


def row_json(attributes: Mapping[str, Any]) -> str | None:
    """Return attributes nobody declared as one JSON object, or None for none of them.

    Raises:
        BadAttribute: A value has no JSON.
    """
    if not attributes:
        return None
    try:
        return as_json(attributes)
    except TypeError:
        for name, value in attributes.items():
            try:
                as_json({name: value})
            except TypeError as error:
                raise BadAttribute(
                    f"attribute {name!r} cannot be written as JSON: {error}; convert it, or leave "
                    f"it out (-{name})"
                ) from error
        raise


def _misfit(name: str, value: Any, wanted: AttributeType, why: str = "") -> BadAttribute:
    if isinstance(value, bytes):
        shown = "bytes"
    elif type(value) is int and (value not in _INT64 or wanted == "double"):
        shown = "an integer too large to be kept exactly"
    elif isinstance(value, bool | int | float | str):
        shown = f"a value of type {type_of(value)}"
    else:
        shown = "a nested value"
    return BadAttribute(
        f"attribute {name!r} holds {shown}, but is {wanted} in the dataset's schema{why}; declare "
        f"it in corpus.attributes with a type that fits all rows ({name}: string), or leave it out "
        f"(-{name})"
    )
