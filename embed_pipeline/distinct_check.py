"""Whether different words get different vectors: capitals, accents."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from embed_pipeline.batch_checks import SAME, Vectors, each_alone
from embed_pipeline.client import Client
from embed_pipeline.tokenizer import ModelTokenizer
from embed_pipeline.verdict import Verdict

CASE, CAPITALS, ACCENTS, ACCENTED = "case", "capitals", "accents", "accented words"
# The same but for case, or for accents: a model may tell them apart or not, as its tokenizer does.
CASE_PAIRS = (("we polish it in March", "We Polish it in MARCH"), ("nice", "Nice"), ("it", "IT"))
ACCENT_PAIRS = (("resume", "résumé"), ("pate", "pâté"), ("the cafe in Lodz", "the café in Lódź"))
# Different words: no model may take one for another.
CAPITAL_TEXTS = ("THE CAT SAT ON THE MAT", "STOCK PRICES FELL", "HOW TO BAKE BREAD", "LONDON")
ACCENTED_TEXTS = ("café", "naïve", "résumé", "señor", "über", "garçon", "forêt", "élève", "crème")
UPGRADE = (
    "Ollama 0.13 to 0.24 does that to several models: use 0.30 or newer, or the embedded endpoint"
)


def distinctness(client: Client, tokenizer: ModelTokenizer | None) -> list[Verdict]:
    """Judge whether texts that differ in capitals and accents get the vectors they should.

    Args:
        client: Of the endpoint.
        tokenizer: The model's, or None where it is not known.

    Raises:
        EndpointError: One of the texts gets no vector.
    """
    return [
        _pairs(client, CASE, CASE_PAIRS, tokenizer),
        _different(client, CAPITALS, CAPITAL_TEXTS),
        _pairs(client, ACCENTS, ACCENT_PAIRS, tokenizer),
        _different(client, ACCENTED, ACCENTED_TEXTS),
    ]


def _pairs(
    client: Client, name: str, pairs: Sequence[tuple[str, str]], tokenizer: ModelTokenizer | None
) -> Verdict:
    """Judge whether the texts of each pair share a vector exactly where they share their tokens."""
    found = each_alone(client, [text for pair in pairs for text in pair])
    shared = (np.abs(found[::2] - found[1::2]).max(axis=1) <= SAME).tolist()
    if tokenizer is None:
        if any(shared):
            detail = "some texts share a vector; whether rightly, an unknown tokenizer cannot say"
            return Verdict(name, "not known", detail)
        return Verdict(name, "holds", f"{len(pairs)} pairs of texts have different vectors")
    for (first, second), same in zip(pairs, shared, strict=True):
        if same != tokenizer.same(first, second):
            return Verdict(name, "broken", f"{_contradiction(first, second, same=same)}; {UPGRADE}")
    if not any(shared):
        return Verdict(name, "holds", f"{len(pairs)} pairs of texts have different vectors")
    detail = f"{sum(shared)} of {len(pairs)} pairs share a vector, rightly: they share their tokens"
    return Verdict(name, "holds", detail)


def _contradiction(first: str, second: str, *, same: bool) -> str:
    if same:
        return f"'{first}' and '{second}' share a vector, but not their tokens"
    return f"'{first}' and '{second}' have different vectors, but the same tokens"


def _different(client: Client, name: str, texts: Sequence[str]) -> Verdict:
    """Judge whether all texts have different vectors."""
    found = each_alone(client, texts)
    shared = [
        f"'{texts[first]}' and '{texts[second]}'"
        for first, second in combinations(range(len(texts)), 2)
        if _share(found, first, second)
    ]
    if not shared:
        return Verdict(name, "holds", f"{len(texts)} different texts have different vectors")
    pairs = len(texts) * (len(texts) - 1) // 2
    what = f"{shared[0]} share a vector ({len(shared)} of {pairs} such pairs do)"
    return Verdict(name, "broken", f"{what}; {UPGRADE}")


def _share(found: Vectors, first: int, second: int) -> bool:
    return bool(np.abs(found[first] - found[second]).max() <= SAME)
