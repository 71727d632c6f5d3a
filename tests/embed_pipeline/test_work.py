"""How much work a corpus is, on numbers that can be checked by hand."""

from typing import Any

import numpy as np
import pytest

from embed_pipeline.chunking import Chunking
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.errors import ConfigError, ServerFault, TextTooLong
from embed_pipeline.outcomes import Failure, Vector
from embed_pipeline.records import Document
from embed_pipeline.sampling import Range, Sample
from embed_pipeline.tokens import Tokens
from embed_pipeline.work import Outcomes, Sized, Text, find_texts, find_work
from tests.support.scripted import ScriptedEndpoint


def sample(count: int, total: Range, refused: int = 0) -> Sample:
    documents = [Document(str(n), f"text {n}") for n in range(count)]
    return Sample(documents, count + refused, refused, total)


def texts(*tokens: int | None, cut: int = 0) -> list[Text]:
    return [Text(Document(str(n), "t"), one, n < cut) for n, one in enumerate(tokens)]


def vector(tokens: int, truncated: bool | None = False) -> Vector:
    return Vector(np.ones(8, np.float32), tokens, "server", truncated)


def test_the_work_is_the_sample_s_in_proportion() -> None:
    drawn = sample(4, Range(100, 80, 120))
    work = find_work(drawn, Sized(texts(10, 20, 30, 40, cut=1), 0, 1), {})
    assert work.documents == Range(100, 80, 120)
    assert work.texts == Range(100, 80, 120)
    assert work.tokens.value == 2_500
    assert work.tokens.low < 2_000
    assert work.tokens.high > 3_000
    assert (work.failed, work.too_long, work.counted) == (0, 0.25, True)


def test_a_whole_corpus_leaves_no_doubt() -> None:
    work = find_work(sample(4, Range(4, 4, 4)), Sized(texts(10, 20, 30, 40), 0, 0), {})
    assert work.tokens == Range(100, 100, 100)


def test_rows_that_are_no_documents_are_failures_and_cost_nothing() -> None:
    drawn = sample(4, Range(80, 80, 80), refused=4)
    work = find_work(drawn, Sized(texts(10, 10, 10, 10), 0, 0), {})
    assert (work.texts.value, work.tokens.value, work.failed) == (40, 400, 40)


def test_texts_that_are_refused_as_too_long_are_failures_and_cost_nothing() -> None:
    work = find_work(sample(4, Range(100, 100, 100)), Sized(texts(10, 10, 10), 1, 1), {})
    assert (work.texts.value, work.tokens.value, work.failed) == (75, 750, 25)
    assert work.too_long == 0.25


def test_texts_the_endpoint_failed_at_are_failures() -> None:
    outcomes: Outcomes = {0: vector(10), 1: Failure(ServerFault("no"), 3)}
    work = find_work(sample(4, Range(100, 100, 100)), Sized(texts(10, 10, 10, 10), 0, 0), outcomes)
    assert work.failed == 50


def test_without_a_tokenizer_the_endpoint_s_own_counts_are_taken() -> None:
    outcomes: Outcomes = {0: vector(10), 2: vector(30, truncated=True)}
    work = find_work(
        sample(3, Range(30, 30, 30)), Sized(texts(None, None, None), 0, None), outcomes
    )
    assert (work.tokens.value, work.counted, work.too_long) == (600, False, 0.5)


def test_whether_texts_were_cut_may_stay_unknown() -> None:
    found = Sized(texts(None), 0, None)
    work = find_work(sample(1, Range(1, 1, 1)), found, {0: vector(10, truncated=None)})
    assert work.too_long is None


def test_a_text_the_endpoint_refuses_as_too_long_is_too_long() -> None:
    outcomes: Outcomes = {0: Failure(TextTooLong("no"), 1), 1: vector(10)}
    work = find_work(sample(2, Range(2, 2, 2)), Sized(texts(None, None), 0, None), outcomes)
    assert work.too_long == 0.5


@pytest.fixture
def server(endpoint: ScriptedEndpoint) -> Endpoint:
    endpoint.vocabulary = ["[UNK]", "[CLS]", "[SEP]", "▁word"]
    return Endpoint(url=endpoint.url, model="all-minilm")


DOCUMENTS = [Document("1", "word word word"), Document("2", "word " * 300)]


def found_texts(
    server: Endpoint, tokens: Tokens, chunking: Chunking | None = None
) -> tuple[Sized, list[Any]]:
    embedder = Embedder(server, Batching(), Retry(), tokens)
    try:
        found = find_texts(embedder, DOCUMENTS, tokens, chunking or Chunking())
    finally:
        embedder.close()
    return found, [(text.document.id, text.tokens, text.cut) for text in found.texts]


def test_texts_that_are_too_long_are_cut(server: Endpoint) -> None:
    found, texts = found_texts(server, Tokens())
    assert texts == [("1", 5, False), ("2", 256, True)]
    assert (found.too_long, found.refused) == (1, 0)


def test_texts_that_are_too_long_are_refused(server: Endpoint) -> None:
    found, texts = found_texts(server, Tokens(on_too_long="fail"))
    assert texts == [("1", 5, False)]
    assert (found.too_long, found.refused) == (1, 1)


def test_texts_that_are_too_long_are_split(server: Endpoint) -> None:
    found, texts = found_texts(server, Tokens(on_too_long="chunk"), Chunking(max_tokens=102))
    assert texts == [("1#0", 5, False), ("2#0", 102, False), ("2#1", 102, False),
                     ("2#2", 102, False)]  # fmt: skip
    assert (found.too_long, found.refused) == (1, 0)


def test_prefixes_are_counted(server: Endpoint) -> None:
    assert found_texts(server, Tokens(prefix="word "))[1][0] == ("1", 6, False)


def test_without_a_tokenizer_nothing_is_counted(
    server: Endpoint, endpoint: ScriptedEndpoint
) -> None:
    endpoint.vocabulary = None
    found, texts = found_texts(server, Tokens())
    assert texts == [("1", None, False), ("2", None, False)]
    assert found.too_long is None
    with pytest.raises(ConfigError, match="chunking needs the model's tokenizer"):
        found_texts(server, Tokens(on_too_long="chunk"))
