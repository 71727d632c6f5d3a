"""Capitals and accents: which texts may share a vector, and which may not."""

import unicodedata
from collections.abc import Callable

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from embed_pipeline.client import Client
from embed_pipeline.distinct_check import distinctness
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.tokenizer import ModelTokenizer
from embed_pipeline.verdict import Verdict
from tests.support.scripted import ScriptedEndpoint, embedded


def letters(normalizer: normalizers.Normalizer | None = None) -> ModelTokenizer:
    """Return a tokenizer that tells all letters apart, after this normalizer."""
    known = {chr(code): code for code in range(0x250)}
    tokenizer = Tokenizer(models.BPE(known, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    return ModelTokenizer(tokenizer, "letters")


CASED = letters()
UNCASED = letters(normalizers.BertNormalizer(lowercase=True))
DIFFERENT = "3 pairs of texts have different vectors"
SHARED = "3 of 3 pairs share a vector, rightly: they share their tokens"


def judged(
    endpoint: ScriptedEndpoint,
    tokenizer: ModelTokenizer | None,
    reads: Callable[[str], str] = str,
) -> list[Verdict]:
    """Judge an endpoint that takes each text for what `reads` returns."""
    endpoint.script = lambda texts: embedded([reads(text) for text in texts])
    with Client(Endpoint(url=endpoint.url, model="all-minilm")) as client:
        return distinctness(client, tokenizer)


def uncased(text: str) -> str:
    split = unicodedata.normalize("NFD", text.lower())
    return "".join(letter for letter in split if not unicodedata.combining(letter))


def blind(text: str) -> str:
    """Take words with accents for unknown."""
    return " ".join(word if word.isascii() else "[UNK]" for word in text.lower().split())


def verdicts(found: list[Verdict]) -> dict[str, str]:
    return {one.name: one.verdict for one in found}


ALL_HOLD = dict.fromkeys(("case", "capitals", "accents", "accented words"), "holds")


def test_a_cased_model_tells_all_apart(endpoint: ScriptedEndpoint) -> None:
    found = judged(endpoint, CASED)
    assert verdicts(found) == ALL_HOLD
    assert (found[0].detail, found[2].detail) == (DIFFERENT, DIFFERENT)
    assert found[1].detail == "4 different texts have different vectors"


def test_an_uncased_model_rightly_tells_some_not_apart(endpoint: ScriptedEndpoint) -> None:
    found = judged(endpoint, UNCASED, uncased)
    assert verdicts(found) == ALL_HOLD
    assert (found[0].detail, found[2].detail) == (SHARED, SHARED)


def test_accents_that_a_server_does_not_take_off_are_found_out(endpoint: ScriptedEndpoint) -> None:
    found = judged(endpoint, UNCASED, blind)
    assert verdicts(found) == ALL_HOLD | {"accents": "broken", "accented words": "broken"}
    assert found[2].detail.startswith(
        "'resume' and 'résumé' have different vectors, but the same tokens; "
    )
    assert found[3].detail.startswith(
        "'café' and 'naïve' share a vector (36 of 36 such pairs do); "
    )
    assert found[3].detail.endswith("use 0.30 or newer, or the embedded endpoint")


def test_capitals_that_a_server_takes_for_one_another_are_found_out(
    endpoint: ScriptedEndpoint,
) -> None:
    found = judged(endpoint, CASED, lambda text: "[UNK]" if text.isupper() else text)
    assert verdicts(found) == ALL_HOLD | {"capitals": "broken"}
    assert found[1].detail.startswith(
        "'THE CAT SAT ON THE MAT' and 'STOCK PRICES FELL' share a vector (6 of 6 such pairs do)"
    )


def test_a_cased_model_that_loses_case_is_found_out(endpoint: ScriptedEndpoint) -> None:
    found = judged(endpoint, CASED, str.lower)
    assert verdicts(found) == ALL_HOLD | {"case": "broken"}
    assert found[0].detail.startswith(
        "'we polish it in March' and 'We Polish it in MARCH' share a vector, but not their tokens; "
    )


@pytest.mark.parametrize(("reads", "verdict"), [(str, "holds"), (str.lower, "not known")])
def test_without_a_tokenizer_differing_is_right_and_sharing_may_be(
    endpoint: ScriptedEndpoint, reads: Callable[[str], str], verdict: str
) -> None:
    assert verdicts(judged(endpoint, None, reads)) == ALL_HOLD | {"case": verdict}
