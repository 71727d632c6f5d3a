"""The commands that take a dataset: what they print, in what form, and how they exit."""

import json
from pathlib import Path

import pytest

from embed_pipeline import files
from embed_pipeline.card_file import is_card
from embed_pipeline.health import Address, Health, tell
from embed_pipeline.pipelines.cli import invoke
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.staging import Run
from tests.support import reports
from tests.support.datasets import dataset
from tests.support.rows import RUN_ID, row
from tests.support.scripted import DIGEST, ScriptedEndpoint, error

ROOT = Path(__file__).parent.parent.parent
CRASH = error(400, 'do embedding request: Post "http://127.0.0.1:1/embedding": EOF')


@pytest.fixture(autouse=True)
def _server(endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", endpoint.url)
    monkeypatch.setenv("COLUMNS", "200")


Captured = pytest.CaptureFixture[str]


def test_status_tells_of_a_run_under_way(capsys: Captured, tmp_path: Path) -> None:
    ProgressFile(Run(str(tmp_path), RUN_ID), "w").write(Progress(1200, 34_000, 2))
    assert invoke(["status", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}: no complete dataset",
        f"run {RUN_ID}: 1,200 texts, 34,000 tokens, 2 failed",
    ]


def test_status_of_nothing_is_exit_code_1(capsys: Captured, tmp_path: Path) -> None:
    assert invoke(["status", str(tmp_path)]) == 1
    assert "no complete dataset" in capsys.readouterr().out


def test_a_dataset_can_be_searched_and_asked_for_its_status(
    capsys: Captured, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "a", "text": "apples"}\n{"id": "b", "text": "bears"}\n')
    settings = [f"--set=job.corpus.files={corpus}", f"--set=job.output.path={tmp_path / 'out'}"]
    assert invoke(["run", str(ROOT / "configs" / "local.yaml"), *settings]) == 0
    capsys.readouterr()
    assert invoke(["search", str(tmp_path / "out"), "bears", "-k", "1"]) == 0
    assert capsys.readouterr().out.split() == ["1.0000", "b", "bears"]
    assert invoke(["search", str(tmp_path / "out"), "bears", "-k", "1", "--json"]) == 0
    hit = json.loads(capsys.readouterr().out)
    assert (hit["id"], hit["score"], "vector" in hit) == ("b", pytest.approx(1.0), False)
    assert invoke(["status", str(tmp_path / "out")]) == 0
    assert "2 rows, 0 failed, 6 tokens" in capsys.readouterr().out
    endpoint.models = ["other:latest", "all-minilm:latest"]


@pytest.mark.parametrize(
    ("flags", "sent"),
    [
        ([], "q: bears"),
        (["--query-prefix", "<{text}>"], "<bears>"),
        (["--query-prefix", ""], "bears"),
    ],
)
def test_a_query_is_sent_with_the_prefix_of_the_dataset_s_job_or_another(
    tmp_path: Path, endpoint: ScriptedEndpoint, flags: list[str], sent: str
) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "a", "text": "apples"}\n')
    settings = [f"--set=job.corpus.files={corpus}", f"--set=job.output.path={tmp_path / 'out'}"]
    prefix = '--set=job.tokens.query_prefix="q: "'
    assert invoke(["run", str(ROOT / "configs" / "local.yaml"), *settings, prefix]) == 0
    assert invoke(["search", str(tmp_path / "out"), "bears", *flags]) == 0
    assert endpoint.texts[-1] == sent


@pytest.mark.parametrize(("flags", "warns"), [([], True), (["--query-prefix", ""], False)])
def test_a_query_without_the_prefix_its_model_needs_is_told_unless_that_is_meant(
    capsys: Captured, tmp_path: Path, endpoint: ScriptedEndpoint, flags: list[str], warns: bool
) -> None:
    endpoint.models = ["nomic-embed-text:latest"]
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "a", "text": "apples"}\n')
    settings = [f"--set=job.corpus.files={corpus}", f"--set=job.output.path={tmp_path / 'out'}"]
    model = "--set=job.endpoint.model=nomic-embed-text"
    assert invoke(["run", str(ROOT / "configs" / "local.yaml"), *settings, model]) == 0
    assert "recommend tokens.prefix" in capsys.readouterr().err
    assert invoke(["search", str(tmp_path / "out"), "bears", *flags]) == 0
    assert ("tokens.query_prefix: 'search_query: '" in capsys.readouterr().err) is warns


def test_another_model_of_the_same_name_is_not_searched_with(
    capsys: Captured, tmp_path: Path
) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "a", "text": "apples"}\n')
    settings = [f"--set=job.corpus.files={corpus}", f"--set=job.output.path={tmp_path / 'out'}"]
    assert invoke(["run", str(ROOT / "configs" / "local.yaml"), *settings]) == 0
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(DIGEST, "e2" * 32))
    assert invoke(["search", str(tmp_path / "out"), "apples"]) == 4
    assert "their vectors do not compare" in capsys.readouterr().err


def test_a_folder_without_a_dataset_cannot_be_searched(capsys: Captured, tmp_path: Path) -> None:
    assert invoke(["search", str(tmp_path), "x"]) == 1
    assert "holds no complete dataset" in capsys.readouterr().err


@pytest.fixture
def with_a_failure(tmp_path: Path, endpoint: ScriptedEndpoint) -> str:
    """Make a dataset of which one text has crashed the endpoint, which is well again."""
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "a", "text": "apples"}\n{"id": "b", "text": "poison"}\n')
    settings = [f"--set=job.corpus.files={corpus}", f"--set=job.output.path={tmp_path / 'out'}"]
    endpoint.script = lambda texts: CRASH if "poison" in texts else None
    assert invoke(["run", str(ROOT / "configs" / "local.yaml"), *settings]) == 3
    endpoint.script = lambda _: None
    return str(tmp_path / "out")


def test_failures_are_tried_again_at_the_address_and_with_the_headers_that_are_given(
    with_a_failure: str,
    endpoint: ScriptedEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.setenv("KEY", "for-nobody-else")
    flags = ["--url", endpoint.url, "--header", "x-key=KEY"]
    assert invoke(["retry-failures", with_a_failure, *flags]) == 0
    assert endpoint.headers[-1]["x-key"] == "for-nobody-else"
    assert "for-nobody-else" not in capsys.readouterr().err
    assert invoke(["status", with_a_failure]) == 0
    assert "2 rows, 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize("header", ["x-key", "=KEY", "x-key=NOT_SET_ANYWHERE"])
def test_a_header_is_a_name_and_a_variable_that_is_set(capsys: Captured, header: str) -> None:
    assert invoke(["retry-failures", "out", "--header", header]) == 2
    assert "write it as NAME=VARIABLE" in capsys.readouterr().err


def test_inspect_tells_that_all_of_a_dataset_holds(capsys: Captured, with_a_failure: str) -> None:
    capsys.readouterr()
    assert invoke(["inspect", with_a_failure, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []


def test_inspect_s_exit_code_is_1_where_something_does_not_hold(with_a_failure: str) -> None:
    next(Path(with_a_failure, "data").iterdir()).write_bytes(b"PAR1")
    assert invoke(["inspect", with_a_failure]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["  "], "the query is empty"),
        (["apples", "--query-prefix", "{text} {text}"], "{text} may stand once"),
    ],
)
def test_a_query_that_cannot_be_meant_is_wrong_usage(
    capsys: Captured, with_a_failure: str, arguments: list[str], said: str
) -> None:
    assert invoke(["search", with_a_failure, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_report_is_drawn_again_from_what_stands_beside_it(
    capsys: Captured, with_a_failure: str
) -> None:
    page = Path(with_a_failure, "report.html")
    card = Path(with_a_failure, "README.md")
    page.unlink(missing_ok=True)
    card.unlink(missing_ok=True)
    capsys.readouterr()
    assert invoke(["report", with_a_failure]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert is_card(str(card))
    card.write_text("my own")
    assert invoke(["report", with_a_failure]) == 0
    assert card.read_text() == "my own"
    assert "1 of 2 documents failed, more than allowed" in page.read_text()


def test_the_path_of_a_report_is_printed_as_it_is_into_a_pipe(
    capsys: Captured, tmp_path: Path
) -> None:
    folder = tmp_path / "\x1b[31mred"
    dataset(folder, [row("a")])
    assert invoke(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}/report.html\n"


def test_a_page_that_is_somebody_s_own_is_not_drawn_over(
    capsys: Captured, with_a_failure: str
) -> None:
    page = Path(with_a_failure, "report.html")
    page.write_text("mine")
    Path(with_a_failure, "README.md").unlink()
    capsys.readouterr()
    assert invoke(["report", with_a_failure]) == 1
    assert page.read_text() == "mine"
    said = capsys.readouterr()
    assert said.out == ""
    assert "report.html is no report of ours, so it stays; move it away, then" in said.err
    assert is_card(f"{with_a_failure}/README.md")
    page.unlink()
    page.mkdir()
    assert invoke(["report", with_a_failure]) == 1
    assert "report.html is a folder, so it stays; move it away, then" in capsys.readouterr().err


def test_status_names_what_a_kill_right_after_the_manifest_left_out(
    capsys: Captured, with_a_failure: str
) -> None:
    Path(with_a_failure, "report.html").unlink()
    Path(with_a_failure, "README.md").unlink()
    run_id = json.loads(Path(with_a_failure, "manifest.json").read_text())["run_id"]
    ProgressFile(Run(with_a_failure, run_id), "w").write(Progress(2, 9, 1))
    capsys.readouterr()
    assert invoke(["status", with_a_failure]) == 0
    complete, lacks = capsys.readouterr().out.splitlines()
    assert "complete since" in complete
    assert lacks == (
        f"it lacks report.html and README.md, which `embed-pipeline report {with_a_failure}` writes"
    )


def test_the_report_of_a_store_is_that_of_its_current_snapshot(
    capsys: Captured, with_a_failure: str
) -> None:
    assert invoke(["adopt", with_a_failure]) == 0
    capsys.readouterr()
    assert invoke(["report", with_a_failure]) == 0
    page = Path(with_a_failure, "snapshots", "000001", "report.html")
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_a_report_on_an_object_store_is_drawn_there(capsys: Captured, s3: str) -> None:
    path, _, options = s3.partition("?")
    folder = f"{path}/out?{options}"
    made = reports.manifest(20)
    files.write_bytes(files.join(folder, "manifest.json"), made.to_json())
    files.write_bytes(files.join(folder, "report.json"), reports.report(20).to_json())
    assert invoke(["report", folder]) == 0
    page = capsys.readouterr().out.strip()
    assert page == files.join(folder, "report.html")
    assert b"Map of the vectors" in files.read_bytes(page)


def test_there_is_no_report_of_a_folder_without_a_dataset(capsys: Captured, tmp_path: Path) -> None:
    assert invoke(["report", str(tmp_path)]) == 1
    assert "holds no complete dataset" in capsys.readouterr().err


def test_status_tells_of_failures_by_kind_and_the_endpoint(
    capsys: Captured, tmp_path: Path
) -> None:
    run = Run(str(tmp_path), RUN_ID)
    ProgressFile(run, "w").write(Progress(5, 50, 2, {"EmptyText": 2}))
    address = Address("http://a:1", "resting", 7.0, 1, 2, 9, {"Overloaded": 3})
    tell(run, "process", Health((address,), 1, 3), 0.5)
    assert invoke(["status", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        (
            f"run {RUN_ID}: 5 texts, 50 tokens, 2 failed (2 EmptyText), 1 request in flight, "
            "1 waiting, 3 repeated"
        ),
        "  http://a:1 resting 7 s, 1 of 2 in flight, 9 requests: 3 Overloaded",
    ]
