"""The soak itself: a small one, over the real endpoint, holds the promise and says so."""

from benchmarks import soak
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.locate import opened
from tests.support import fault_kinds as kinds
from tests.support.faulty import faulty


def test_texts_are_distinct_and_always_the_same() -> None:
    texts = soak.distinct_texts(100)
    assert texts == soak.distinct_texts(100)
    assert len(set(texts)) == 100


def test_a_corpus_repeats_its_texts_over_and_over() -> None:
    corpus = soak.corpus_of(["a", "b"], 3)
    assert corpus == {"row-0": "a", "row-1": "b", "row-2": "a"}


def test_a_job_among_faults_is_run_until_it_has_published() -> None:
    texts = soak.distinct_texts(50)
    corpus = soak.corpus_of(texts, 200)
    tally = soak.Tally()
    with opened(Endpoint(url="embedded", model="all-minilm")) as endpoint:
        truth = soak.truth_of(endpoint.address, texts)
        with faulty(
            endpoint.address, (kinds.CRASHED.at(2), kinds.REMOVED.at(4)), set(texts)
        ) as proxy:
            soak.one_job(proxy, truth, corpus, tally)
    found = soak.result(tally, 60.0)
    assert found["runs by exit code"] == {"0": 1, "1": 1}
    assert found["jobs published"] == 1
    assert found["texts"] == 200
    assert found["faults by kind"] == {kinds.CRASHED.name: 1, kinds.REMOVED.name: 1}
    broken = ("rows lost", "rows doubled", "wrong vectors", "other promises broken")
    assert [found[name] for name in broken] == [0, 0, 0, 0]
