"""What it took to embed texts, added up."""

import numpy as np

from embed_pipeline.answer import Answer
from embed_pipeline.client import Tries
from embed_pipeline.outcomes import Effort


def tries(texts: int, attempts: int, tokens: int | None, wall_ms: int = 12) -> Tries:
    answer = Answer(np.zeros((texts, 8), np.float32), tokens, 5_000_000, 1_500_000)
    return Tries(answer, attempts, wall_ms, 0.25)


def test_nothing_was_sent_at_first() -> None:
    assert Effort() == Effort(0, 0, 0, 0.0, 0.0, 0.0, [], [])


def test_a_request_that_failed_counts_its_tries_and_nothing_else() -> None:
    effort = Effort()
    effort.count(3)
    assert effort == Effort(requests=3, retries=2)


def test_a_request_that_succeeded_counts_with_all_it_took() -> None:
    effort = Effort()
    effort.add(tries(2, 1, 9))
    effort.add(tries(3, 4, 11, 20))
    assert effort == Effort(
        requests=5,
        retries=3,
        tokens=20,
        server_ms=10.0,
        load_ms=3.0,
        throttled_s=0.5,
        request_ms=[12, 20],
        batch_texts=[2, 3],
    )


def test_an_answer_without_a_count_adds_no_tokens() -> None:
    effort = Effort()
    effort.add(tries(1, 1, None))
    assert (effort.requests, effort.tokens) == (1, 0)


def test_efforts_share_no_lists() -> None:
    Effort().add(tries(1, 1, 3))
    assert Effort().request_ms == []
