r"""Make one text out of several fields of a row: "{title}\n\n{body}"."""

from collections.abc import Mapping
from string import Formatter
from typing import Any, NamedTuple

from embed_pipeline.errors import MissingField, WrongType


class Template(NamedTuple):
    """Hold a text with fields in it.

    Attributes:
        pieces: Literal text and the field that follows it; the last field may be None.
    """

    pieces: tuple[tuple[str, str | None], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of the fields, each once, in order."""
        return tuple(dict.fromkeys(name for _, name in self.pieces if name is not None))

    def render(self, values: Mapping[str, Any]) -> str:
        """Return the text for one row.

        Strings are taken as they are, numbers as JSON writes them.

        Raises:
            MissingField: A field is missing or null.
            WrongType: A field is neither a string nor a number.
        """
        text = []
        for literal, name in self.pieces:
            text.append(literal)
            if name is None:
                continue
            value = values.get(name)
            if value is None:
                raise MissingField(
                    f"field {name!r} of the text's template is "
                    f"{'null' if name in values else 'missing'}; fill it in, or leave it out of "
                    "the template"
                )
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise WrongType(
                    f"field {name!r} of the text's template is of type {type(value).__name__}, "
                    "neither a string nor a number"
                )
            text.append(value if isinstance(value, str) else str(value))
        return "".join(text)


def parse(text: str) -> Template:
    """Take a template apart; `{{` and `}}` stand for braces.

    Raises:
        ValueError: Braces do not match, or hold anything but a field's name.
    """
    pieces = []
    for literal, name, spec, conversion in Formatter().parse(text):
        if name is not None and (not name or spec or conversion):
            raise ValueError(
                f"{text!r}: between braces goes the name of a field, such as {{title}}"
            )
        pieces.append((literal, name))
    template = Template(tuple(pieces))
    if not template.fields:
        raise ValueError(f"{text!r} names no field; write one in braces, such as {{title}}")
    return template
