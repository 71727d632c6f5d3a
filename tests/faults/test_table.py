"""Every row of the table: the job ends as it says, and the promise holds."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from tests.faults.jobs import ALLOWED, FaultJob
from tests.faults.table import DOCUMENT, ROWS, Row, document
from tests.support.faulty import FaultyProxy, faulty
from tests.support.promise import Truth, answered, judge, kept_texts, sent
from tests.support.scripted import ScriptedEndpoint, vector_of

UNDER_WAY = 2 * 8  # texts: requests in flight, times the texts of each


def truth_of(context: int) -> Truth:
    """Return what the healthy endpoint gives a text, which it cuts where it is too long."""

    def truth(text: str) -> NDArray[np.float32]:
        words = text.split()
        return vector_of(text if len(words) <= context - 2 else " ".join(words[: context - 2]))

    return truth


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_job_ends_as_the_table_says(row: Row, tmp_path: Path, endpoint: ScriptedEndpoint) -> None:
    corpus, truth = row.corpus, truth_of(row.context)
    endpoint.context = endpoint.told_context = row.context
    with faulty(endpoint.url, row.script, set(corpus.values())) as proxy:
        proxy.removed = row.removed
        job = FaultJob(tmp_path, corpus, proxy.url, **row.settings)
        code = job.run_here()
        guilty = {text: [kind] for text, kind in row.outcome.failed.items()}
        verdict = judge(
            corpus,
            job.out,
            code,
            truth=truth,
            guilty=guilty,
            record=proxy.asked,
            allowed=ALLOWED,
        )
        assert not verdict.broken
        assert code == row.outcome.code
        if code == 0:
            assert failures(job.out) == row.outcome.failed
        else:
            completes(job, proxy, truth, keeps=row.outcome.keeps)


def failures(dataset: Path) -> dict[str, str]:
    """Return the kind of each failure, by its text."""
    tables = [pq.read_table(path).to_pylist() for path in dataset.glob("failures/*.parquet")]
    return {one["text"]: one["kind"] for table in tables for one in table}


def completes(job: FaultJob, proxy: FaultyProxy, truth: Truth, *, keeps: bool) -> None:
    """Check that a job that stopped is completed by another run, once the endpoint is well."""
    done, kept = answered(proxy.asked) & set(job.corpus.values()), kept_texts(job.out)
    proxy.script, proxy.removed = (), False
    proxy.digest, proxy.replaced = None, False
    before = len(proxy.asked)
    code = job.run_here()
    again = proxy.asked[before:]
    assert code == 0
    verdict = judge(job.corpus, job.out, code, truth=truth, record=again, allowed=ALLOWED)
    assert not verdict.broken
    if keeps:
        assert not sent(again) & kept
        assert len(sent(again) & done) <= UNDER_WAY


def test_the_document_is_made_of_the_table() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document()
