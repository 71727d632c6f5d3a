"""Whatever the corpus and whatever befalls the endpoint: nothing is lost, nothing is wrong."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.faults.jobs import ALLOWED, FaultJob
from tests.support import fault_kinds as kinds
from tests.support.faulty import Fault, Rule, faulty
from tests.support.promise import answered, judge, kept_texts, sent
from tests.support.scripted import scripted, vector_of

CONTEXT = 256
UNDER_WAY = 2 * 8

# Those that strike fast: time is better spent on many examples than on waiting for one.
QUICK: tuple[Fault, ...] = (
    kinds.RESET,
    kinds.RESET_IN_REQUEST,
    kinds.RESET_IN_RESPONSE,
    kinds.CUT_SHORT,
    kinds.HTML_200,
    kinds.HTML_502,
    kinds.ZIPPED,
    kinds.ZIPPED_BADLY,
    kinds.EMPTY_BODY,
    kinds.BUSY,
    kinds.NOT_LOADED,
    kinds.SERVER_FAULT,
    kinds.CRASHED,
    kinds.TOO_FEW,
    kinds.TOO_MANY_VECTORS,
    kinds.ZEROS,
    kinds.NAN,
    kinds.NULLS,
    kinds.LONG,
    kinds.RAGGED,
    kinds.ALIKE,
)
# What a text may be blamed for, where it is what sets the fault off.
POISONS = {
    kinds.CRASHED: "RunnerCrashed",
    kinds.RESET: "ConnectionLost",
    kinds.SERVER_FAULT: "ServerFault",
    kinds.NAN: "VectorNotFinite",
    kinds.NAN_500: "VectorNotFinite",
    kinds.ZEROS: "WrongAnswer",
    kinds.TOO_FEW: "WrongAnswer",
}
STOPPING = (kinds.UNAUTHORIZED, kinds.REMOVED, kinds.REDIRECTED, kinds.REJECTED)

texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60
).filter(str.strip)
corpora = st.lists(texts, min_size=1, max_size=60, unique=True)
passing = st.lists(
    st.tuples(st.sampled_from(QUICK), st.integers(1, 12)), max_size=6, unique_by=lambda one: one[1]
)
poisons = st.lists(
    st.tuples(st.integers(0, 59), st.sampled_from(sorted(POISONS, key=lambda f: f.name))),
    max_size=2,
)
stopping = st.none() | st.tuples(st.sampled_from(STOPPING), st.integers(1, 12))


def truth(text: str) -> NDArray[np.float32]:
    """Return what the healthy endpoint gives a text."""
    return vector_of(text)


@settings(max_examples=12)
@given(corpus=corpora, passing=passing, poisons=poisons, stopping=stopping)
def test_random_corpora_and_random_faults_hold_the_promise(
    corpus: list[str],
    passing: list[tuple[Fault, int]],
    poisons: list[tuple[int, Fault]],
    stopping: tuple[Fault, int] | None,
) -> None:
    documents = {f"d{place}": text for place, text in enumerate(corpus)}
    rules: list[Rule] = []
    guilty: dict[str, list[str]] = {}
    for place, fault in poisons:
        text = corpus[place % len(corpus)]
        rules.append(fault.on(text))
        guilty.setdefault(text, []).append(POISONS[fault])
    rules += [fault.at(number) for fault, number in passing]
    if stopping is not None:
        rules.append(stopping[0].since(stopping[1]))
    with (
        scripted() as endpoint,
        tempfile.TemporaryDirectory() as folder,
        faulty(endpoint.url, tuple(rules), set(corpus)) as proxy,
    ):
        job = FaultJob(Path(folder), documents, proxy.url, retry={"total_seconds": 10})
        code = job.run_here()
        first = judge(
            documents,
            job.out,
            code,
            truth=truth,
            guilty=guilty,
            record=proxy.asked,
            allowed=ALLOWED,
        )
        assert not first.broken
        if code in (0, 3):
            return
        assert code == 1
        done, kept = answered(proxy.asked) & set(corpus), kept_texts(job.out)
        proxy.script, proxy.removed = (), False
        before = len(proxy.asked)
        code = job.run_here()
        again = proxy.asked[before:]
        assert code in (0, 3)  # a text may have been found guilty before, for good
        second = judge(
            documents, job.out, code, truth=truth, guilty=guilty, record=again, allowed=ALLOWED
        )
        assert not second.broken
        assert not sent(again) & kept
        assert len(sent(again) & done) <= UNDER_WAY
