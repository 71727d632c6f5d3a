"""The context boundary: what is taken, what is refused, what is cut."""

import json
import math

import pytest

from embed_pipeline import errors
from embed_pipeline.boundary_check import WORDS, boundary
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.limits import ContextSource, Limits
from embed_pipeline.tokenizer import from_model_info
from embed_pipeline.verdict import Verdict
from tests.support.scripted import WORDS as VOCABULARY
from tests.support.scripted import Reply, ScriptedEndpoint, embedded, error, model_info, tokens_of

LIMITS = Limits(256, "server", True, None)


def judged(endpoint: ScriptedEndpoint, limits: Limits = LIMITS) -> list[Verdict]:
    with Client(Endpoint(url=endpoint.url, model="all-minilm"), Retry(attempts=1)) as client:
        return boundary(client, limits)


def details(endpoint: ScriptedEndpoint, limits: Limits = LIMITS) -> list[tuple[str, str]]:
    return [(found.verdict, found.detail) for found in judged(endpoint, limits)]


NO_CUT = ("holds", "257 tokens, cut, have the vector of their first 256, cosine 1.000000")
CURE = "set tokens.tokenizer, so that texts are cut here, or use another server"


def test_as_many_tokens_as_told_are_read_and_one_more_is_refused_or_cut(
    endpoint: ScriptedEndpoint,
) -> None:
    assert details(endpoint) == [("holds", "255 and 256 tokens are read, 257 refused"), NO_CUT]
    sent = [(tokens_of(each["input"][0]), each["truncate"]) for each in endpoint.requests]
    assert sent == [(3, False), (42, False), (255, False), (256, False), (257, False), (257, True)]


def test_without_counts_of_the_endpoint_its_tokenizer_counts(endpoint: ScriptedEndpoint) -> None:
    endpoint.tells_count = False
    limits = LIMITS._replace(tokenizer=from_model_info(model_info(VOCABULARY)))
    assert [found.verdict for found in judged(endpoint, limits)] == ["holds", "holds"]


def test_an_endpoint_that_reads_less_than_it_tells_is_found_out(endpoint: ScriptedEndpoint) -> None:
    endpoint.context = 255
    assert details(endpoint) == [
        ("broken", "a text of 256 tokens or one less is refused; set options.num_ctx to fewer"),
        ("not known", "the context is not what the server tells"),
    ]


@pytest.mark.parametrize("tells_count", [True, False])
def test_tokens_that_are_not_read_are_found_out(
    endpoint: ScriptedEndpoint, tells_count: bool
) -> None:
    endpoint.context, endpoint.refuses, endpoint.tells_count = 250, False, tells_count
    limits = LIMITS._replace(tokenizer=from_model_info(model_info(VOCABULARY)))
    first, _ = details(endpoint, limits)
    assert first == ("broken", "of 256 tokens not all are read; set options.num_ctx to fewer")


def test_an_endpoint_that_cuts_unseen_is_found_out(endpoint: ScriptedEndpoint) -> None:
    endpoint.refuses = False
    first, second = details(endpoint)
    assert first[0] == "broken"
    assert first[1].startswith("257 tokens are taken although they may not be cut")
    assert second == NO_CUT


def test_an_endpoint_that_refuses_to_cut_is_found_out(endpoint: ScriptedEndpoint) -> None:
    endpoint.refuses_to_cut = True
    first, second = details(endpoint)
    assert first[0] == "holds"
    assert second == (
        "broken",
        "257 tokens are refused although they may be cut; runs cut them before",
    )


def cutting_to(endpoint: ScriptedEndpoint, first: int, last: int) -> None:
    """Have the endpoint keep these words of a text that may be cut."""

    def script(texts: list[str]) -> Reply | None:
        if not endpoint.requests[-1]["truncate"]:
            return None
        return embedded([" ".join(texts[0].split()[first:last])])

    endpoint.script = script


def test_an_endpoint_that_keeps_the_tail_is_found_out(endpoint: ScriptedEndpoint) -> None:
    cutting_to(endpoint, 1, 255)
    verdict, detail = details(endpoint)[1]
    assert verdict == "broken"
    assert detail.startswith("257 tokens, cut, have not the vector of their first 256: cosine ")
    assert detail.endswith(CURE)


def turned(words: int, total: int) -> Reply:
    """Return an answer whose vector is turned by a hundredth for each word."""
    vector = [math.cos(words / 100), math.sin(words / 100)]
    return Reply(200, json.dumps({"embeddings": [vector], "prompt_eval_count": total}).encode())


def test_an_endpoint_that_cuts_to_one_token_less_is_found_out(endpoint: ScriptedEndpoint) -> None:
    def script(texts: list[str]) -> Reply | None:
        words = len(texts[0].split())
        if words < 255:
            return turned(words, words + 2)
        return turned(253, 256) if endpoint.requests[-1]["truncate"] else None

    endpoint.script = script
    first, second = details(endpoint)
    assert first[0] == "holds"
    assert second == ("broken", f"257 tokens are cut to 255, not to 256; {CURE}")


def test_a_failure_that_is_no_refusal_is_told_as_it_is(endpoint: ScriptedEndpoint) -> None:
    crash = error(400, 'do embedding request: Post "http://127.0.0.1:1/embedding": EOF')
    endpoint.script = lambda texts: crash if tokens_of(texts[0]) > 200 else None
    with pytest.raises(errors.RunnerCrashed):
        judged(endpoint)


@pytest.mark.parametrize(
    ("context", "source", "said"),
    [
        (256, "assumed", "the endpoint does not tell how many tokens the model reads"),
        (32, "server", "the model reads 32 tokens; 64 to 8192 can be tried"),
        (40_960, "server", "the model reads 40960 tokens; 64 to 8192 can be tried"),
    ],
)
def test_what_cannot_be_tried_is_not_known(
    endpoint: ScriptedEndpoint, context: int, source: ContextSource, said: str
) -> None:
    limits = LIMITS._replace(context=context, context_source=source)
    assert details(endpoint, limits) == [("not known", said)] * 2
    assert endpoint.requests == []


def test_where_nobody_counts_nothing_is_known(endpoint: ScriptedEndpoint) -> None:
    endpoint.tells_count = False
    said = "nobody counts tokens: the endpoint does not, its tokenizer is unknown"
    assert details(endpoint) == [("not known", said)] * 2


def test_where_words_have_several_tokens_nothing_is_known(endpoint: ScriptedEndpoint) -> None:
    endpoint.counts = lambda text: 2 * len(text.split()) + 2
    said = "the model's tokenizer takes the words of this test apart"
    assert details(endpoint) == [("not known", said)] * 2


def test_the_words_differ() -> None:
    words = WORDS.split()
    assert (len(words), len(set(words))) == (40, 40)
