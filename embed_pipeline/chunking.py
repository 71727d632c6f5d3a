"""Documents that are too long become several: pieces that fit, each with its place in the whole."""

from collections.abc import Mapping, Sequence

from pydantic import Field, model_validator

from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.documents import failed_document, refusal
from embed_pipeline.errors import BadAttribute, ConfigError, DocumentError
from embed_pipeline.limits import Limits
from embed_pipeline.pieces import Span, split
from embed_pipeline.records import Document, Failed
from embed_pipeline.settings import Settings
from embed_pipeline.tokenizer import ModelTokenizer
from embed_pipeline.tokens import applied

CHUNK_TYPES: AttributeTypes = {
    "document_id": "string",
    "chunk_index": "int64",
    "chunk_start": "int64",
    "chunk_end": "int64",
}


class Chunking(Settings):
    """Say how documents are split where `tokens.on_too_long` is `chunk`."""

    max_tokens: int | None = Field(
        default=None,
        ge=1,
        description="tokens of a piece, at most, special tokens and prefix included; by default as "
        "many as the model reads",
    )
    overlap: int = Field(
        default=0, ge=0, description="tokens that neighboring pieces share, at most"
    )

    @model_validator(mode="after")
    def _advancing(self) -> "Chunking":
        if self.max_tokens is not None and self.overlap >= self.max_tokens:
            raise ValueError(f"overlap must be less than max_tokens, which is {self.max_tokens}")
        return self


def piece_tokens(chunking: Chunking, limits: Limits, prefix: str) -> tuple[ModelTokenizer, int]:
    """Return the tokenizer, and how many tokens a piece may have, for a model and a prefix.

    Raises:
        ConfigError: The tokenizer is not known, a piece would have more tokens than the model
            reads, or special tokens, prefix and overlap leave no room for text of its own.
    """
    tokenizer = limits.tokenizer
    if tokenizer is None:
        raise ConfigError(
            "chunking needs the model's tokenizer, which is not known: set tokens.tokenizer to the "
            "tokenizer.json that was published with the model"
        )
    most = limits.context if chunking.max_tokens is None else chunking.max_tokens
    if most > limits.context:
        raise ConfigError(
            f"chunking.max_tokens is {most}, and the model reads {limits.context} tokens"
            f"{' (assumed)' if limits.context_source == 'assumed' else ''}: lower it, or leave it "
            "out for as many as the model reads"
        )
    (frame,) = tokenizer.count([applied(prefix, "")])
    if frame + chunking.overlap >= most:
        raise ConfigError(
            f"a piece has {most} tokens, of which the special tokens and the prefix take {frame} "
            f"and chunking.overlap {chunking.overlap}: no text of its own would be left; raise "
            "chunking.max_tokens, or lower the overlap"
        )
    return tokenizer, most


def chunked(
    documents: Sequence[Document],
    tokenizer: ModelTokenizer,
    max_tokens: int,
    overlap: int,
    prefix: str,
) -> list[list[Document | Failed]]:
    """Split documents into pieces that fit, as pieces.py says.

    A piece is a document: its id is the document's with `#` and the piece's index, its attributes
    are the document's own and those of CHUNK_TYPES, the last two in characters. A document that
    fits is one piece. One that `refusal` refuses stays as it is, for the embed step to refuse.

    Args:
        documents: A batch of them: all texts are counted in one call.
        tokenizer: The model's.
        max_tokens: Tokens of a piece, at most, special tokens and prefix included.
        overlap: Tokens that neighboring pieces share, at most.
        prefix: What is put before each piece, or around it, when it is sent.

    Returns:
        For each document its pieces in order, or the one failure it is: of a BadAttribute where it
        has an attribute of a name in CHUNK_TYPES, of a BadCharacter where a character does not fit.
    """
    results: list[list[Document | Failed]] = [[document] for document in documents]
    places = [place for place, document in enumerate(documents) if refusal(document) is None]
    counts = tokenizer.count([applied(prefix, documents[place].text) for place in places])
    for place, count in zip(places, counts, strict=True):
        document = documents[place]
        try:
            _check_names(document.attributes)
            spans = [(0, len(document.text))]
            if count > max_tokens:
                spans = split(document.text, tokenizer, max_tokens, overlap, prefix)
        except DocumentError as error:
            results[place] = [failed_document(document, error, stage="chunk")]
        else:
            results[place] = [_piece(document, *numbered) for numbered in enumerate(spans)]
    return results


def _check_names(attributes: Mapping[str, object]) -> None:
    """Refuse attributes with the names of those a piece is given."""
    clashing = sorted(attributes.keys() & CHUNK_TYPES.keys())
    if clashing:
        raise BadAttribute(
            f"the document has attributes that chunking sets: {', '.join(clashing)}; leave them "
            f"out (corpus.attributes: [{', '.join(f'-{name}' for name in clashing)}]) or rename "
            "them"
        )


def _piece(document: Document, index: int, span: Span) -> Document:
    start, end = span
    place = {
        "document_id": document.id,
        "chunk_index": index,
        "chunk_start": start,
        "chunk_end": end,
    }
    return document._replace(
        id=f"{document.id}#{index}",
        text=document.text[start:end],
        attributes={**document.attributes, **place},
    )
