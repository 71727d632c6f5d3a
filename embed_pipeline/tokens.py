"""Settings of tokens: how they are counted, what a text is prefixed with, what is too long."""

from typing import Literal

from pydantic import Field, JsonValue, field_validator

from embed_pipeline.settings import Settings

PLACE = "{text}"
_WITHOUT_NUL: dict[str, JsonValue] = {"pattern": r"^[^\u0000]*$"}

OnTooLong = Literal["truncate", "chunk", "fail"]


class Tokens(Settings):
    """Say how tokens are counted, what goes before each text, and what becomes of long texts."""

    tokenizer: str | None = Field(
        default=None,
        description="path of the model's tokenizer.json: local, s3://, gs://; by default it is "
        "built from the vocabulary the endpoint tells, where that is WordPiece",
    )
    on_too_long: OnTooLong = Field(
        default="truncate",
        description="of a text longer than the context: embed its head, split it (see chunking), "
        "or make it a failure",
    )
    prefix: str = Field(
        default="",
        description="put before each text of a request, or around it: a template with {text}; "
        "counted, not stored",
        json_schema_extra=_WITHOUT_NUL,
    )
    query_prefix: str = Field(
        default="",
        description="the same for the queries of `search`",
        json_schema_extra=_WITHOUT_NUL,
    )
    recount: int = Field(
        default=100,
        ge=0,
        description="rows, drawn at random, that are sent again alone at the end, to tell how many "
        "token counts are confirmed",
    )

    @field_validator("prefix", "query_prefix")
    @classmethod
    def _one_place(cls, prefix: str) -> str:
        if prefix.count(PLACE) > 1:
            raise ValueError("{text} may stand once")
        if "\x00" in prefix or any("\ud800" <= character <= "\udfff" for character in prefix):
            raise ValueError("it holds a NUL or a lone surrogate")
        return prefix


def applied(prefix: str, text: str) -> str:
    """Return what is sent for a text: the prefix and the text, or the template filled in."""
    before, place, after = prefix.partition(PLACE)
    return f"{before}{text}{after}" if place else f"{prefix}{text}"
