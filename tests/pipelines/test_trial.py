"""Trial runs: what they send, and what they say of a run's start."""

from pathlib import Path

import pytest

from embed_pipeline.errors import ModelNotFound
from embed_pipeline.job import Job
from embed_pipeline.pipelines.options import beam_options
from embed_pipeline.pipelines.trial import Trial, try_out
from embed_pipeline.records import Document
from tests.support.scripted import ScriptedEndpoint, error

DOCUMENTS = [Document(f"d{n}", f"some text {n}", {"n": n}) for n in range(300)]


@pytest.fixture
def job(endpoint: ScriptedEndpoint, tmp_path: Path) -> Job:
    return Job.model_validate(
        {
            "corpus": {"files": str(tmp_path / "nothing.jsonl")},
            "endpoint": {"url": endpoint.url, "model": "all-minilm"},
            "retry": {"attempts": 1},
            "output": {"path": str(tmp_path / "out")},
        }
    )


def tried(job: Job, documents: list[Document]) -> Trial:
    return try_out(job, beam_options({}, []), documents)


def test_as_many_documents_are_embedded_as_are_sent_again(job: Job) -> None:
    found = tried(job, DOCUMENTS)
    assert found.manifest.counts.rows == 100
    assert found.manifest.recount["estimated"]["asked"] == 100
    assert found.seconds > 0


def test_fewer_are_where_they_are_long(job: Job) -> None:
    long = [Document(f"d{n}", "long " * 20_000) for n in range(10)]
    assert tried(job, long).manifest.counts.rows == 3


def test_one_is_at_least(job: Job) -> None:
    long = [Document("d", "long " * 100_000)]
    assert tried(job, long).manifest.counts.rows == 1


def test_ids_that_stand_twice_do_not_stop_it(job: Job) -> None:
    assert tried(job, [DOCUMENTS[0], DOCUMENTS[0]]).manifest.counts.rows == 1


def test_nothing_is_left_in_the_job_s_output(job: Job, tmp_path: Path) -> None:
    tried(job, DOCUMENTS[:3])
    assert list(tmp_path.iterdir()) == []


def test_an_endpoint_that_fails_is_told(job: Job, endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: error(404, "model 'all-minilm' not found")
    with pytest.raises(ModelNotFound):
        tried(job, DOCUMENTS)


def test_the_start_is_what_is_left_beside_embedding(job: Job) -> None:
    found = tried(job, DOCUMENTS[:10])
    assert found.manifest.counts.tokens == 50
    assert found._replace(seconds=7.0).start(tokens_per_second=10.0) == 2.0
    assert found._replace(seconds=1.0).start(tokens_per_second=10.0) == 0.0
