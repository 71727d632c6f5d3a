"""Turn texts into vectors: tokens, micro-batches of similar length, ONNX Runtime.

Tokenization is that of Hugging Face's tokenizer for this model: accents are stripped, control
characters removed, a word of more than 100 characters is one unknown token.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Tokenizer

from embed_pipeline.embedded.recipe import CONTEXT, DIMENSION, EPSILON
from embed_pipeline.errors import ConfigError

DEFAULT_NUM_CTX = 256
SMALLEST_CONTEXT = 4
SEPARATOR = 102
# Padded tokens of one call. Measured on 2 cores: from 400 to 4,000 the speed is the same, and a
# smaller call lets go sooner when nobody waits for the answer anymore.
CALL_TOKENS = 1024
# What one more call costs, in tokens, as measured: less padding than that is cheaper than a call.
CALL_COST = 20

Tokens = NDArray[np.int32]
Vectors = NDArray[np.float32]


class InputTooLong(ValueError):
    """Report a text that does not fit the context; the text is the contract's own (section 4.2)."""


@dataclass(frozen=True)
class Context:
    """Say how many tokens a text may have, [CLS] and [SEP] included.

    Args:
        num_ctx: The asked-for length; any integer. The source of the rules is the contract's
            section 4: at least 4 and at most 512 tokens pass, and a longer text is cut to
            min(num_ctx, 512), of which the two special tokens are a part.
    """

    num_ctx: int = DEFAULT_NUM_CTX

    @property
    def length(self) -> int:
        """Return the effective length, from 4 to 512."""
        return min(max(self.num_ctx, SMALLEST_CONTEXT), CONTEXT)

    def fit(self, tokens: list[int], *, truncate: bool) -> Tokens:
        """Return a text's tokens, cut to their head if they are too many.

        Args:
            tokens: All tokens of the text, from [CLS] to [SEP].
            truncate: Whether a text that is too long is cut.

        Raises:
            InputTooLong: The text is too long and may not be cut, or nothing would be left of it.
        """
        if len(tokens) <= self.length:
            return np.array(tokens, np.int32)
        if not truncate:
            raise InputTooLong("the input length exceeds the context length")
        kept = min(self.num_ctx, CONTEXT)
        if kept <= 2:
            raise InputTooLong("input after truncation exceeds maximum context length")
        return np.array([*tokens[: kept - 1], SEPARATOR], np.int32)


class TextTokenizer:
    """Cut texts into the model's tokens. May be shared by threads."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))
        # The file asks for 128 tokens, neither more nor fewer; the context is decided here.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str], context: Context, *, truncate: bool) -> list[Tokens]:
        """Return each text's tokens, in the texts' order.

        Raises:
            InputTooLong: See `Context.fit`.
        """
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        return [context.fit(encoding.ids, truncate=truncate) for encoding in encodings]

    def vocabulary(self) -> list[str]:
        """List all pieces by id: `▁` before those that begin a word, no `##` before the others."""
        special = self._tokenizer.get_added_tokens_decoder()
        pieces = sorted(self._tokenizer.get_vocab().items(), key=lambda item: item[1])
        return [_shown(piece, special=number in special) for piece, number in pieces]


def _shown(piece: str, *, special: bool) -> str:
    if special:
        return piece
    return piece[2:] if piece.startswith("##") else f"▁{piece}"


class Engine:
    """Hold the loaded model. One call at a time: each uses all threads.

    Args:
        graph: The path of the built graph.
        threads: How many threads compute; never more than one on each processor this process may
            use, and as many where it is 0 or less.

    Raises:
        ConfigError: The graph cannot be loaded.
    """

    def __init__(self, graph: Path, threads: int = 0) -> None:
        options = ort.SessionOptions()
        processors = available_processors()
        options.intra_op_num_threads = min(threads, processors) if threads > 0 else processors
        options.inter_op_num_threads = 1
        # Between two requests the threads sleep: the processors are the pipeline's too.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 3
        try:
            self._session: Any = ort.InferenceSession(
                str(graph), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own error types are not documented
            raise ConfigError(
                f"{graph} cannot be loaded: {error}. Delete it: the next start builds it again."
            ) from error

    def embed(
        self, texts: Sequence[Tokens], abandoned: Callable[[], bool] = lambda: False
    ) -> Vectors:
        """Compute the texts' vectors.

        Args:
            texts: The tokens of each text.
            abandoned: Asked between two calls of the runtime; True ends the work.

        Returns:
            float32 of shape (texts, 384), unit rows in the order of `texts`. Rows that were not
            computed, because the work was abandoned, are zero.
        """
        vectors = np.zeros((len(texts), DIMENSION), np.float32)
        for rows in micro_batches([len(tokens) for tokens in texts]):
            if abandoned():
                break
            width = len(texts[rows[-1]])
            ids = np.zeros((len(rows), width), np.int32)
            mask = np.zeros_like(ids)
            for row, index in enumerate(rows):
                ids[row, : len(texts[index])] = texts[index]
                mask[row, : len(texts[index])] = 1
            vectors[rows] = self._session.run(None, {"ids": ids, "mask": mask})[0]
        return vectors


def available_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def micro_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group texts of similar length.

    Args:
        lengths: The number of tokens of each text.

    Yields:
        Indices into `lengths`, each exactly once; within a group and from group to group by length.
        A group has at most CALL_TOKENS tokens, padding included, unless it is a single text, and
        less padding than CALL_COST.
    """
    group: list[int] = []
    padding = 0
    for index in np.argsort(np.asarray(lengths), kind="stable").tolist():
        length = lengths[index]
        if group:
            grown = padding + len(group) * (length - lengths[group[-1]])
            if grown >= CALL_COST or (len(group) + 1) * length > CALL_TOKENS:
                yield group
                group, grown = [], 0
            padding = grown
        group.append(index)
    if group:
        yield group


def shorten(vectors: Vectors, dimensions: int) -> Vectors:
    """Keep the first components and give the rows unit length again.

    Args:
        vectors: float32 of shape (texts, 384).
        dimensions: How many to keep; none are cut where it is below 1 or at least 384.

    Returns:
        float32 of shape (texts, dimensions).
    """
    if 0 < dimensions < vectors.shape[1]:
        vectors = vectors[:, :dimensions]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, np.maximum(norms, EPSILON), dtype=np.float32)
    return unit
