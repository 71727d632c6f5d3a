"""How much work a corpus is, as far as a sample tells: its texts, their tokens, what would fail."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from embed_pipeline.chunking import Chunking, chunked, piece_tokens
from embed_pipeline.embedder import Embedder
from embed_pipeline.errors import TextTooLong
from embed_pipeline.outcomes import Failure, Vector
from embed_pipeline.records import Document, Failed
from embed_pipeline.sampling import Range, Sample, relative_error
from embed_pipeline.sizing import Prepared
from embed_pipeline.tokens import Tokens

Outcomes = Mapping[int, Vector | Failure]


class Text(NamedTuple):
    """Hold one text of a sample as a run would embed it.

    Attributes:
        document: What its row would be made of.
        tokens: What was counted here, or None where the tokenizer is not known.
        cut: Whether it would be cut here.
    """

    document: Document
    tokens: int | None
    cut: bool


class Sized(NamedTuple):
    """Hold what would be sent of a sample.

    Attributes:
        texts: Of its documents, pieces where these are split.
        refused: Documents that would not be sent, as they are too long.
        too_long: Documents that do not fit the context; None where nothing was counted.
    """

    texts: Sequence[Text]
    refused: int
    too_long: int | None


class Work(NamedTuple):
    """Hold how much there is to do.

    Attributes:
        documents: Rows of the corpus.
        failed: Those that would not be embedded: no documents, or refused.
        too_long: Share of documents that do not fit the context; None where that is not known.
        texts: Texts that would be sent.
        tokens: What all of them cost.
        counted: Whether tokens were counted here; else by the endpoint, of what was measured.
    """

    documents: Range
    failed: float
    too_long: float | None
    texts: Range
    tokens: Range
    counted: bool


def find_texts(
    embedder: Embedder, documents: Sequence[Document], tokens: Tokens, chunking: Chunking
) -> Sized:
    """Count documents' tokens, and cut, split or refuse those that are too long, as a run does.

    Raises:
        ConfigError, EndpointError: As `Embedder.prepare` and `piece_tokens` do.
    """
    split = 0
    sendable = list(documents)
    if tokens.on_too_long == "chunk":
        tokenizer, most = piece_tokens(chunking, embedder.limits, tokens.prefix)
        pieces = chunked(documents, tokenizer, most, chunking.overlap, tokens.prefix)
        split = sum(len(one) > 1 for one in pieces)
        sendable = [piece for one in pieces for piece in one if isinstance(piece, Document)]
    prepared = embedder.prepare([document.text for document in sendable])
    texts = [
        Text(document, one.tokens, one.cut)
        for document, one in zip(sendable, prepared, strict=True)
        if isinstance(one, Prepared)
    ]
    if tokens.on_too_long == "chunk":
        return Sized(texts, sum(isinstance(one[0], Failed) for one in pieces), split)
    refused = len(documents) - len(texts)
    known = all(text.tokens is not None for text in texts)
    return Sized(texts, refused, refused + sum(text.cut for text in texts) if known else None)


def find_work(sample: Sample, found: Sized, outcomes: Outcomes) -> Work:
    """Estimate how much there is to do from a sample, by proportion.

    Args:
        sample: The sample.
        found: What would be sent of it.
        outcomes: What became of the texts that were sent, by their place.
    """
    rows = sample.total.value * sample.sendable
    drawn = max(1, len(sample.documents))
    tried = max(1, len(outcomes))
    errors = [one for one in outcomes.values() if isinstance(one, Failure)]
    lost = found.refused / drawn
    lost += (1 - lost) * len(errors) / tried
    counts, counted = _token_counts(found, outcomes)
    mean = sum(counts) / max(1, len(counts))
    doubt = _doubt(sample.total)
    texts = rows * len(found.texts) / drawn
    unseen = 1 - min(1.0, len(counts) / max(1.0, texts))  # a whole corpus leaves no doubt
    spread = (relative_error(counts) or 0.0) * math.sqrt(unseen)
    return Work(
        documents=sample.total,
        failed=sample.total.value - rows * (1 - lost),
        too_long=_share_too_long(outcomes) if found.too_long is None else found.too_long / drawn,
        texts=Range.about(texts, doubt),
        tokens=Range.about(texts * mean, math.hypot(doubt, spread)),
        counted=counted,
    )


def _token_counts(found: Sized, outcomes: Outcomes) -> tuple[list[int], bool]:
    """Return the tokens of each text that was counted here, or else of each that was measured."""
    counts = [text.tokens for text in found.texts if text.tokens is not None]
    if counts and len(counts) == len(found.texts):
        return counts, True
    return [one.token_count for one in outcomes.values() if isinstance(one, Vector)], False


def _share_too_long(outcomes: Outcomes) -> float | None:
    """Return the share of texts that were cut or refused as too long by the endpoint."""
    told = [
        isinstance(one.error, TextTooLong) if isinstance(one, Failure) else one.truncated
        for one in outcomes.values()
    ]
    known = [one for one in told if one is not None]
    return sum(known) / len(known) if known else None


def _doubt(found: Range) -> float:
    return (found.high - found.value) / found.value if found.value else 0.0
