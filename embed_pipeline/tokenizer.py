"""A model's tokenizer on our side: it counts tokens, and says where the text of each one ends."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from embed_pipeline import files
from embed_pipeline.errors import ConfigError

Origin = Literal["server", "file"]

WORD_START = "▁"  # marks, in a server's vocabulary, the pieces that begin a word
LONGEST_WORD = 100  # characters; the original tokenizer takes a longer word for one unknown token


class ModelTokenizer:
    """Count a model's tokens. May be shared by threads.

    Args:
        tokenizer: The tokenizer; its own truncation and padding are switched off.
        digest: What tells it from others: the sha256 of what it was made from.
        origin: "server" where its vocabulary was told by the endpoint, or "file".
    """

    def __init__(self, tokenizer: Tokenizer, digest: str, origin: Origin = "file") -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.digest = digest
        self.origin = origin

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return each text's tokens, special tokens included."""
        return [len(encoding) for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def same(self, one: str, other: str) -> bool:
        """Tell whether two texts have the same tokens, so that a model cannot tell them apart."""
        first, second = self._tokenizer.encode_batch_fast([one, other])
        return bool(first.ids == second.ids)

    def ends(self, text: str) -> list[int]:
        """Return where each token of a text ends, as an offset in characters, ascending.

        Special tokens are left out. Several tokens of one character end at the same offset.
        """
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return [end for _, end in encoding.offsets]


def read_tokenizer(path: str) -> ModelTokenizer:
    """Read a tokenizer.json, local or on an object store; its digest is that of the file.

    Raises:
        ConfigError: There is no such file, or it holds no tokenizer.
    """
    try:
        content = files.read_bytes(path)
    except OSError as error:
        raise ConfigError(f"tokens.tokenizer: cannot read {path}: {error}") from error
    try:
        tokenizer = Tokenizer.from_str(content.decode())
    except Exception as error:  # the library raises nothing more special
        raise ConfigError(
            f"tokens.tokenizer: {path} is no tokenizer.json ({error}); it is the file of this name "
            "that was published with the model"
        ) from error
    return ModelTokenizer(tokenizer, hashlib.sha256(content).hexdigest())


def from_model_info(info: Mapping[str, Any]) -> ModelTokenizer | None:
    """Build a tokenizer from what `/api/show` tells with `verbose`; None where that is not enough.

    The vocabulary is enough for WordPiece, the tokenizer of BERT and its descendants (all-minilm,
    nomic-embed-text, mxbai-embed-large, bge, snowflake-arctic-embed); its rules are those of the
    original implementation for a vocabulary in lower case.

    Args:
        info: The answer's `model_info`. Its pieces carry `▁` where they begin a word, and nothing
            where they go on with one; special tokens stand as they are, in brackets.
    """
    pieces = info.get("tokenizer.ggml.tokens")
    unknown = info.get("tokenizer.ggml.unknown_token_id", 100)
    if info.get("tokenizer.ggml.model") != "bert" or not isinstance(pieces, list):
        return None
    originals = [_original(str(piece)) for piece in pieces]
    vocabulary = {piece: number for number, piece in enumerate(originals)}
    first, last = "[CLS]", "[SEP]"
    if not {first, last} <= vocabulary.keys() or not 0 <= unknown < len(pieces):
        return None
    tokenizer = Tokenizer(
        models.WordPiece(
            vocabulary,
            unk_token=originals[unknown],
            max_input_chars_per_word=LONGEST_WORD,
        )
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        special_tokens=[(first, vocabulary[first]), (last, vocabulary[last])],
    )
    special = [one for one in SPECIAL_TOKENS if one in vocabulary]
    tokenizer.add_special_tokens([AddedToken(one, special=True) for one in special])
    digest = hashlib.sha256("\n".join(originals).encode()).hexdigest()
    return ModelTokenizer(tokenizer, digest, "server")


SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def _original(piece: str) -> str:
    """Return a piece as the original vocabulary writes it: `##` where it goes on with a word."""
    if piece.startswith(WORD_START):
        return piece.removeprefix(WORD_START)
    if piece.startswith("[") and piece.endswith("]"):
        return piece
    return f"##{piece}"
