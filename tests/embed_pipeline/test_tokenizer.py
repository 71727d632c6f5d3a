"""The tokenizer on our side: made from what a server tells, it counts as the model's own does."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_pipeline import files
from embed_pipeline.embedded.engine import TextTokenizer
from embed_pipeline.embedded.weights import Weights, fetch, locate
from embed_pipeline.engine import CANARY_TEXTS
from embed_pipeline.errors import ConfigError
from embed_pipeline.tokenizer import ModelTokenizer, from_model_info, read_tokenizer
from tests.support.scripted import WORDS, model_info

LETTERS = [*WORDS, "▁play", "ing", "▁the", "▁."]


@pytest.fixture(scope="module")
def weights() -> Weights:
    return locate() or fetch()


@pytest.fixture(scope="module")
def own(weights: Weights) -> ModelTokenizer:
    """Return the tokenizer that was published with the model."""
    return read_tokenizer(str(weights.tokenizer))


@pytest.fixture(scope="module")
def told(weights: Weights) -> ModelTokenizer:
    """Return the tokenizer made from the vocabulary that the model's server tells."""
    pieces = TextTokenizer(weights.tokenizer).vocabulary()
    return built({**model_info(pieces), "tokenizer.ggml.unknown_token_id": 100})


def built(info: dict[str, object]) -> ModelTokenizer:
    found = from_model_info(info)
    assert found is not None
    return found


def test_special_tokens_are_counted(own: ModelTokenizer) -> None:
    assert own.count(["Why is the sky blue?", "", "a"]) == [8, 2, 3]


def test_no_texts_have_no_counts(own: ModelTokenizer) -> None:
    assert own.count([]) == []


def test_a_file_that_asks_for_a_length_does_not_get_it(own: ModelTokenizer) -> None:
    assert own.count(["a " * 300]) == [302]


@pytest.mark.parametrize("text", CANARY_TEXTS)
def test_awkward_texts_are_counted_as_the_models_own_tokenizer_does(
    own: ModelTokenizer, told: ModelTokenizer, text: str
) -> None:
    assert told.count([text]) == own.count([text])
    assert told.ends(text) == own.ends(text)


@settings(max_examples=300)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_any_text_is_counted_as_the_models_own_tokenizer_does(
    own: ModelTokenizer, told: ModelTokenizer, texts: list[str]
) -> None:
    assert told.count(texts) == own.count(texts)


@pytest.mark.parametrize(("length", "count"), [(100, 52), (101, 3)])
def test_a_word_of_more_than_a_hundred_characters_is_one_unknown_token(
    own: ModelTokenizer, told: ModelTokenizer, length: int, count: int
) -> None:
    assert own.count(["x" * length]) == told.count(["x" * length]) == [count]


def test_the_end_of_each_token_is_told_in_characters() -> None:
    assert built(model_info(LETTERS)).ends("Playing the zither.") == [4, 7, 11, 18, 19]


def test_ends_are_those_of_the_text_as_it_came_accents_and_all() -> None:
    assert built(model_info(LETTERS)).ends("Pláying … thé") == [4, 7, 9, 13]


def test_the_tokens_of_one_character_end_together() -> None:
    pieces = [*WORDS, "▁\u1112", "\u1161", "\u11ab"]
    assert built(model_info(pieces)).ends("한 한") == [1, 1, 1, 3, 3, 3]


def test_nothing_has_no_ends(own: ModelTokenizer) -> None:
    assert own.ends("") == []


def test_a_vocabulary_is_told_by_the_hash_of_its_pieces_as_the_model_writes_them() -> None:
    digest = "0c64eaa8cea5827745c1e15ac85b86ddd65957ba221c565a57f039f1edc771ca"
    assert built(model_info(LETTERS)).digest == digest


def test_another_vocabulary_has_another_digest() -> None:
    assert built(model_info(LETTERS)).digest != built(model_info(LETTERS[:-1])).digest


def test_a_file_is_told_by_its_own_hash(own: ModelTokenizer) -> None:
    assert own.digest == "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


@pytest.mark.parametrize(
    "changed",
    [
        {"tokenizer.ggml.model": "gpt2"},
        {"tokenizer.ggml.model": "llama"},
        {"tokenizer.ggml.model": None},
        {"tokenizer.ggml.tokens": None},
        {"tokenizer.ggml.tokens": ["[UNK]", "▁a"]},
        {"tokenizer.ggml.unknown_token_id": 7},
        {"tokenizer.ggml.unknown_token_id": -1},
    ],
)
def test_what_is_not_enough_for_word_pieces_gives_none(changed: dict[str, object]) -> None:
    assert from_model_info({**model_info(LETTERS), **changed}) is None


def test_nothing_told_gives_none() -> None:
    assert from_model_info({}) is None


def test_a_file_on_an_object_store_is_read(weights: Weights, s3: str) -> None:
    store, _, options = s3.partition("?")
    path = f"{store}/tokenizer.json?{options}"
    files.write_bytes(path, weights.tokenizer.read_bytes())
    assert read_tokenizer(path).count(["Why is the sky blue?"]) == [8]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\xff\xfe", b'{"version": "1.0"}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"tokens\.tokenizer: .*/tokenizer\.json is no tokenizer"):
        read_tokenizer(str(path))


def test_a_file_cut_short_is_named(tmp_path: Path, weights: Weights) -> None:
    path = tmp_path / "short.json"
    path.write_bytes(weights.tokenizer.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"short\.json is no tokenizer\.json"):
        read_tokenizer(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tokens\.tokenizer: cannot read .*/missing\.json"):
        read_tokenizer(str(tmp_path / "missing.json"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The  Sky", "the sky", True),
        ("café", "cafe", True),
        ("the sky", "the sea", False),
        ("the sky", "sky the", False),
    ],
)
def test_two_texts_are_the_same_where_their_tokens_are(
    own: ModelTokenizer, one: str, other: str, same: bool
) -> None:
    assert own.same(one, other) is same
