"""How jobs end on Flink beside a dataset: refused, taken up again, and a store refreshed twice."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import harness
from tests.engines.conftest import need
from tests.engines.job import DOCUMENTS, ROWS, TWICE, EngineJob, table
from tests.support.scripted import ScriptedEndpoint, error

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Return the flags of an embedded Flink."""
    need("flink")
    with harness.embedded_flink(tmp_path_factory.mktemp("flink")) as engine:
        yield engine.flags


def test_an_error_of_ours_comes_through_with_its_exit_code(
    job: EngineJob, flags: tuple[str, ...]
) -> None:
    code, said = job.run("refused", "--set", "job.corpus.on_duplicate=error", *flags)
    assert code == 4, said
    assert f"error: {len(TWICE)} ids stand" in said
    assert not (job.folder / "refused" / "manifest.json").exists()


def test_what_a_job_that_failed_has_written_is_reused(
    job: EngineJob, flags: tuple[str, ...], server: ScriptedEndpoint
) -> None:
    left = [200]

    def unauthorized(_: list[str]) -> object:
        left[0] -= 1
        return None if left[0] >= 0 else error(401, "no")

    server.script = unauthorized  # type: ignore[assignment]
    code, said = job.run("again", *flags)
    server.script = lambda _: None
    assert code == 1, said
    assert "vectors are kept, and the next run of this job reuses them" in said.splitlines()[-1]
    code, said = job.run("again", *flags)
    assert code == 0, said
    assert "reusing " in said
    assert len(table(job.folder / "again", "data")) == ROWS


def test_a_store_is_refreshed(
    tmp_path: Path, flags: tuple[str, ...], server: ScriptedEndpoint
) -> None:
    job = EngineJob(tmp_path, server.url, twice=False)
    unique = ("--set", "job.corpus.on_duplicate=error", "--summary=json", *flags)
    code, said = job.run("store", *unique, verb="refresh")
    assert code == 0, said
    with (job.corpus / "0.jsonl").open("a") as file:
        file.write(json.dumps({"id": "new", "text": "a new one", "title": "t", "year": 1}) + "\n")
    code, said = job.run("store", *unique, verb="refresh")
    assert code == 0, said
    done = json.loads(said[said.rindex('{"run_id"') :])
    assert (done["snapshot"], done["embedded"], done["inserted"]) == (2, 1, 1)
    assert done["rows"] == DOCUMENTS - 10 + 1
