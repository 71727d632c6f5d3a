"""The requests for vectors, decoded and checked (contract, sections 1, 2 and 9)."""

from dataclasses import dataclass, field
from typing import Any

from embed_pipeline.embedded.body import Fields, Members, clean, parse_fields
from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.names import request_name, require_embedded
from embed_pipeline.embedded.options import Runner, runner_options

EMBED: Fields = {
    "model": "string",
    "input": "any",
    "truncate": "bool",
    "dimensions": "int",
    "keep_alive": "keep_alive",
    "options": "map[string]interface {}",
}
LEGACY: Fields = {
    "model": "string",
    "prompt": "string",
    "keep_alive": "keep_alive",
    "options": "map[string]interface {}",
}
OPENAI: Fields = {
    "model": "string",
    "input": "any",
    "dimensions": "int",
    "encoding_format": "string",
}


@dataclass(frozen=True)
class EmbedRequest:
    """Hold what is asked for.

    Attributes:
        model: The model's name as the client wrote it.
        name: The installed name it means.
        texts: The texts, in order; none means that the model is only to be loaded.
        truncate: Whether texts that are too long are cut.
        dimensions: How many components to keep; 0 for all.
        keep_alive: Seconds the model stays loaded afterwards; None leaves that as it is.
        runner: The options the model is loaded with.
        base64: Whether vectors are asked for as base64.
    """

    model: str
    name: str
    texts: list[str]
    truncate: bool = True
    dimensions: int = 0
    keep_alive: float | None = None
    runner: Runner = field(default_factory=Runner)
    base64: bool = False


def parse_embed(body: bytes) -> EmbedRequest:
    """Read the body of `POST /api/embed`.

    Raises:
        ContractError: In the contract's order: the JSON, the model's name, the input's type, the
            model, the options.
    """
    fields = parse_fields(body, "api.EmbedRequest", EMBED)
    model = fields.get("model", "")
    name = request_name(model)
    texts = input_texts(fields.get("input"))
    return EmbedRequest(
        model=model,
        name=require_embedded(name, model),
        texts=texts,
        truncate=fields.get("truncate", True),
        dimensions=fields.get("dimensions", 0),
        keep_alive=fields.get("keep_alive"),
        runner=runner_options(fields.get("options", {})),
    )


def parse_legacy(body: bytes) -> EmbedRequest:
    """Read the body of `POST /api/embeddings`, which never cuts a text.

    Raises:
        ContractError: As for `parse_embed`; a missing model is 400 here.
    """
    fields = parse_fields(body, "api.EmbeddingRequest", LEGACY)
    model = fields.get("model", "")
    if not model:
        raise ContractError(400, "model is required")
    name = request_name(model)
    prompt = fields.get("prompt", "")
    return EmbedRequest(
        model=model,
        name=require_embedded(name, model),
        texts=[prompt] if prompt else [],
        truncate=False,
        keep_alive=fields.get("keep_alive"),
        runner=runner_options(fields.get("options", {})),
    )


def parse_openai(body: bytes) -> EmbedRequest:
    """Read the body of `POST /v1/embeddings`.

    Raises:
        ContractError: As for `parse_embed`, and 400 for no input or an unknown encoding.
    """
    if not body.strip():
        raise ContractError(400, "EOF")
    fields = parse_fields(body, "openai.EmbedRequest", OPENAI)
    encoding = fields.get("encoding_format", "float").lower()
    if encoding not in ("", "float", "base64"):
        raise ContractError(400, "encoding_format must be 'float' or 'base64'")
    given: Any = fields.get("input")
    if given is None or (given == [] and not isinstance(given, Members)):
        raise ContractError(400, "invalid input")
    model = fields.get("model", "")
    name = request_name(model)
    texts = [""] if given == "" else input_texts(given)
    return EmbedRequest(
        model=model,
        name=require_embedded(name, model),
        texts=texts,
        dimensions=fields.get("dimensions", 0),
        base64=encoding == "base64",
    )


def input_texts(given: Any) -> list[str]:
    """Return the texts an `input` stands for: none for null, "" and [].

    Raises:
        ContractError: 400, it is neither a string nor an array of strings.
    """
    if given is None or given == "":
        return []
    if isinstance(given, str):
        return [clean(given)]
    if isinstance(given, list) and not isinstance(given, Members):
        texts = [clean(text) for text in given if isinstance(text, str)]
        if len(texts) == len(given):
            return texts
    raise ContractError(400, "invalid input type")
