"""Tokenizers of two kinds: that of the embedded model, and a small one that knows every byte."""

from functools import cache

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from embed_pipeline.embedded.weights import fetch, locate
from embed_pipeline.tokenizer import ModelTokenizer, read_tokenizer

LEARNED = [
    "The quick brown fox jumps over the lazy dog, again and again. Does it? It does!",
    "def add(first, second):\n    return first + second\n",
]


@cache
def wordpiece() -> ModelTokenizer:
    """Return the embedded model's own: white space costs nothing, a long word is one token."""
    return read_tokenizer(str((locate() or fetch()).tokenizer))


@cache
def byte_level() -> ModelTokenizer:
    """Return one that merges few bytes: white space costs tokens, an emoji costs four."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(LEARNED, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return ModelTokenizer(tokenizer, "small")
