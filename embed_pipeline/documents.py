"""Documents: made from what users have, checked before they are sent."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from embed_pipeline import errors
from embed_pipeline.json_values import readable_json
from embed_pipeline.keys import key
from embed_pipeline.records import Document, Failed

_NO_ID = (None, "")


def as_document(element: Any) -> Document:
    """Return the document an element of a PCollection stands for.

    Args:
        element: A Document; a string (its id is the sha256 of source "" and text); a mapping, a
            named tuple or a `beam.Row` with the fields text and id, whose other fields are its
            attributes; or an item of `apache_beam.ml.rag`, whose metadata and index are.

    Raises:
        BadAttribute: An item's metadata have a name that the item itself has.
        MissingField: There is no text or no id, or it is null.
        WrongType: The element, its text or its id has no such type.
    """
    if type(element) is Document:
        if type(element.id) is str and element.id and type(element.text) is str:
            return element
        identity, _ = checked({"id": element.id, "text": element.text})
        return element._replace(id=identity)
    if isinstance(element, str):
        return Document(key("", element), element)
    fields = _fields(element)
    identity, text = checked(fields)
    del fields["id"], fields["text"]
    return Document(identity, text, fields)


def checked(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return id and text, as strings; an integer is an id, too.

    Raises:
        MissingField: One is not there, null, or an empty id.
        WrongType: One is of another type.
    """
    for name, nothing in (("text", (None,)), ("id", _NO_ID)):
        if name not in fields:
            there = ", ".join(sorted(map(str, fields))) or "nothing"
            raise errors.MissingField(f"an element has no {name}; it has {there}")
        value = fields[name]
        if isinstance(value, str | None) and value in nothing:
            what = "null" if value is None else "empty"
            raise errors.MissingField(
                f"an element's {name} is {what}: fill it in, or leave the element out"
            )
    text, identity = fields["text"], fields["id"]
    if isinstance(identity, int | np.integer) and not isinstance(identity, bool):
        identity = str(identity)
    for name, value in (("text", text), ("id", identity)):
        if not isinstance(value, str):
            kind, cure = type(value).__name__, _cure(name, value)
            raise errors.WrongType(f"an element's {name} is of type {kind}, not str{cure}")
    return identity, text


def _cure(name: str, value: Any) -> str:
    if isinstance(value, float | np.floating):
        why = ": where one is missing, readers make floats of integers" if name == "id" else ""
        return f"; declare its column a string where it is read, or cast it{why}"
    return ""


def _fields(element: Any) -> dict[str, Any]:
    """Return an element's fields as a dictionary of its own."""
    if isinstance(element, Mapping):
        return dict(element)
    if hasattr(element, "_asdict"):  # a named tuple, and beam.Row
        return dict(element._asdict())
    if hasattr(element, "metadata") and hasattr(element, "content"):
        return _item_fields(element)
    raise errors.WrongType(
        f"an element of type {type(element).__name__} is no document: "
        "use Document, str, a mapping or a Row with text and id"
    )


def _item_fields(item: Any) -> dict[str, Any]:
    """Return the fields of an item of `apache_beam.ml.rag`, which is told by its own fields."""
    own = {"id": item.id, "text": item.content.text, "index": item.index}
    twice = sorted(own.keys() & item.metadata.keys())
    if twice:
        raise errors.BadAttribute(
            f"an item's metadata have {', '.join(twice)}, which is also a field of its own: rename "
            "it there"
        )
    return {**item.metadata, **own}


def refusal(document: Document) -> errors.DocumentError | None:
    """Return why a document's text is not worth sending, or None.

    White space alone has no meaning to embed. A lone surrogate cannot be sent as UTF-8, and a NUL
    cannot be stored by many databases; endpoints replace or drop both in silence, so that the
    vector would not be that of the text stored beside it.
    """
    text = document.text
    if not text or text.isspace():
        return errors.EmptyText("the text is empty; leave the document out, or give it a text")
    if "\x00" in text:
        place = text.index("\x00")
        return errors.BadCharacter(f"the text holds a NUL at character {place}; remove it")
    if not text.isascii() or not document.id.isascii():
        for name, value in (("text", text), ("id", document.id)):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                return errors.BadCharacter(
                    f"the {name} holds the lone surrogate U+{ord(value[error.start]):04X} at "
                    f"character {error.start}; it was decoded wrongly where the corpus was made"
                )
    return None


def storable(text: str) -> str:
    """Return a text as UTF-8 can hold it: lone surrogates as their escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def failed_document(
    document: Document, error: errors.DocumentError | errors.EndpointError, **details: Any
) -> Failed:
    """Return the failure of a document, with where it was read from.

    Args:
        document: The document; its text is stored, lone surrogates escaped.
        error: Why it has no vector.
        details: Further fields of Failed, such as stage, blame or attempts.
    """
    fields: dict[str, Any] = {"stage": "embed", "blame": "document", **details}
    return Failed(
        id=storable(document.id) or None,
        text=storable(document.text),
        attributes=attributes_json(document.attributes),
        source=document.source,
        line=document.line,
        kind=type(error).__name__,
        message=str(error),
        http_status=getattr(error, "status", None),
        **fields,
    )


def attributes_json(attributes: Mapping[str, Any]) -> str | None:
    """Return a failure's attributes as a JSON object, or None for none of them.

    What has no JSON is as `readable_json` shows it.
    """
    return readable_json(attributes) if attributes else None
