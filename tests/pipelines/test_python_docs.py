"""The demo corpus: real, unique, of the promised size."""

from pathlib import Path

import orjson
import pytest

from embed_pipeline.pipelines.cli import invoke
from embed_pipeline.pipelines.python_docs import main
from tests.support.scripted import ScriptedEndpoint


def test_it_holds_what_the_interpreter_documents(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    assert main([str(path)]) == 0
    found = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    by_id = {one["id"]: one for one in found}
    assert 2_000 <= len(found) == len(by_id) <= 2_500
    assert {one["kind"] for one in found} == {"module", "class", "function", "method"}
    assert by_id["csv.reader"]["module"] == "csv"
    assert set(by_id["csv.reader"]) == {"id", "text", "module", "kind"}


def test_it_wants_one_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_demo_job_takes_it(
    tmp_path: Path, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Path(__file__).parents[2] / "configs" / "demo.yaml"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLLAMA_HOST", endpoint.url)
    assert main(["out/python-docs.jsonl"]) == 0
    assert invoke(["run", str(job), "--limit", "5"]) == 0
    assert Path("out/python-docs/manifest.json").is_file()
