"""The commands that take a store, and what the others do with one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from embed_pipeline.manifest import Refresh
from embed_pipeline.pipelines.cli import invoke
from embed_pipeline.pipelines.store_commands import changes, table
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.staging import Run
from embed_pipeline.store import Store
from embed_pipeline.store_lock import locked
from tests.support.datasets import dataset
from tests.support.rows import RUN_ID, row
from tests.support.scripted import ScriptedEndpoint

ROOT = Path(__file__).parents[2]
Captured = pytest.CaptureFixture[str]
ENTRY = Refresh(
    run_id="nightly-2",
    snapshot=2,
    base=1,
    published=True,
    started="2026-01-02T03:00:00+00:00",
    finished="2026-01-02T03:04:05+00:00",
    rows=12_345,
    failed=6,
    embedded=45,
    reused=12_300,
    inserted=40,
    updated=5,
    relabeled=3,
    deleted=2,
    tokens=6_789,
    seconds=245.0,
    server_seconds=100.5,
    model="[red]all-minilm",
    digest="d1" * 32,
    bytes_added=3_400_000,
    notes=["engine changed"],
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store whose first snapshot is an adopted dataset of two rows and a failure."""
    dataset(tmp_path / "store", [row("a", "apples"), row("b", "bears")], failed=["c"])
    assert invoke(["adopt", str(tmp_path / "store")]) == 0
    return tmp_path / "store"


def test_adopt_says_where_the_snapshot_is(tmp_path: Path, capsys: Captured) -> None:
    dataset(tmp_path, [row("a")])
    for _ in range(2):
        assert invoke(["adopt", str(tmp_path)]) == 0
        assert capsys.readouterr().out == (
            f"{tmp_path} is a store: its current snapshot is {tmp_path}/snapshots/000001\n"
        )


def test_adopt_s_exit_code_is_4_where_a_dataset_cannot_become_a_store(
    tmp_path: Path, capsys: Captured
) -> None:
    dataset(tmp_path, [row("a")], text="drop")
    assert invoke(["adopt", str(tmp_path)]) == 4
    assert "refresh` into an empty folder embeds anew" in capsys.readouterr().err


def test_path_prints_the_current_snapshot_s_folder_and_nothing_else(
    store: Path, capsys: Captured
) -> None:
    capsys.readouterr()
    assert invoke(["path", str(store)]) == 0
    assert capsys.readouterr().out == f"{store}/snapshots/000001\n"


def test_path_prints_a_folder_s_name_as_it_is_into_a_pipe(tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "\x1b[31mred"
    dataset(folder, [row("a")])
    assert invoke(["adopt", str(folder)]) == 0
    capsys.readouterr()
    assert invoke(["path", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}/snapshots/000001\n"


@pytest.mark.parametrize("command", ["path", "log"])
def test_a_folder_that_is_no_store_is_exit_code_1(
    tmp_path: Path, command: str, capsys: Captured
) -> None:
    assert invoke([command, str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert (captured.out, f"{tmp_path} is no store" in captured.err) == ("", True)


def test_log_prints_a_line_a_refresh(store: Path, capsys: Captured) -> None:
    Store(str(store)).record(ENTRY)
    capsys.readouterr()
    assert invoke(["log", str(store)]) == 0
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == [
        *("when", "snapshot", "rows", "embedded", "reused", "changes", "failed", "tokens", "time"),
        *("server", "time", "added", "exit", "model", "notes"),
    ]
    assert first.split()[2:7] == ["000001", "2", "0", "2", "+2"]
    assert second.split() == [
        *("2026-01-02", "03:04", "000002", "12,345", "45", "12,300", "+40", "~5", "=3", "-2", "6"),
        *("6,789", "4", "min", "100", "s", "3.4", "MB", "0", "[red]all-minilm", "d1d1d1d1d1d1"),
        *("engine", "changed"),
    ]


def test_log_in_json_is_an_object_a_refresh_with_everything(store: Path, capsys: Captured) -> None:
    Store(str(store)).record(ENTRY)
    capsys.readouterr()
    assert invoke(["log", str(store), "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["snapshot"], first["reused"]) == (1, 2)
    assert second == ENTRY.model_dump()


def test_refreshes_stand_in_the_order_they_were_made_in_whatever_the_clock_said(
    store: Path, capsys: Captured
) -> None:
    for day in ("09", "07", "08"):
        told = {"finished": f"2020-01-{day}T00:00:00+00:00", "run_id": day}
        Store(str(store)).record(ENTRY.model_copy(update=told))
    capsys.readouterr()
    assert invoke(["log", str(store), "--json"]) == 0
    found = [json.loads(line)["run_id"] for line in capsys.readouterr().out.splitlines()]
    assert found[1:] == ["09", "07", "08"]


@pytest.mark.parametrize(
    ("told", "style"),
    [({}, ""), ({"published": False}, "dim"), ({"published": False, "exit_code": 3}, "red")],
)
def test_a_refresh_without_changes_is_dim_and_one_with_too_many_failures_red(
    told: dict[str, object], style: str
) -> None:
    (found,) = table([ENTRY.model_copy(update=told)]).rows
    assert found.style == style


def test_no_change_is_told_in_words() -> None:
    nothing = {"inserted": 0, "updated": 0, "relabeled": 0, "deleted": 0}
    assert changes(ENTRY.model_copy(update=nothing)) == "none"


def test_a_damaged_entry_of_the_log_is_warned_of(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")  # other commands have raised it
    (store / "log" / "000001.json").write_text("{}")
    assert invoke(["log", str(store)]) == 0
    assert f"{store}/log/000001.json is damaged" in caplog.text


def test_a_store_is_inspected_by_its_current_snapshot(store: Path, capsys: Captured) -> None:
    capsys.readouterr()
    assert invoke(["inspect", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["dataset"], found["holds"]) == (f"{store}/snapshots/000001", True)


def test_a_damaged_snapshot_is_noticed(store: Path) -> None:
    next((store / "snapshots/000001/index").iterdir()).write_bytes(b"PAR1")
    assert invoke(["inspect", str(store)]) == 1


def test_a_store_is_searched_by_its_current_snapshot(
    store: Path, endpoint: ScriptedEndpoint, capsys: Captured
) -> None:
    capsys.readouterr()
    arguments = ["bears", "-k", "1", "--json", "--url", endpoint.url]
    assert invoke(["search", str(store), *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "b"


def test_status_of_a_store_tells_of_the_snapshot_and_of_the_refresh_under_way(
    store: Path, capsys: Captured
) -> None:
    run = Run(Store(str(store)).snapshot(2), RUN_ID)
    ProgressFile(run, "w").write(Progress(1200, 34_000, 2))
    capsys.readouterr()
    assert invoke(["status", str(store)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{store}/snapshots/000001: complete since")
    assert second == f"run {RUN_ID}: 1,200 texts, 34,000 tokens, 2 failed"


def test_status_of_a_first_refresh_under_way_tells_of_it(tmp_path: Path, capsys: Captured) -> None:
    run = Run(Store(str(tmp_path)).snapshot(1), RUN_ID)
    ProgressFile(run, "w").write(Progress(1, 3, 0))
    assert invoke(["status", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}: no complete dataset",
        f"run {RUN_ID}: 1 text, 3 tokens, 0 failed",
    ]


@pytest.mark.parametrize("below", ["", "snapshots/000001"])
def test_failures_of_a_store_are_for_the_next_refresh(
    store: Path, below: str, capsys: Captured
) -> None:
    assert invoke(["retry-failures", str(store / below)]) == 4
    assert "the next `embed-pipeline refresh` tries those again" in capsys.readouterr().err


@pytest.mark.parametrize("on_exists", ["error", "overwrite"])
def test_a_run_into_a_store_is_refused(
    store: Path, endpoint: ScriptedEndpoint, on_exists: str, capsys: Captured
) -> None:
    (store.parent / "c.jsonl").write_text('{"id": "a", "text": "apples"}\n')
    arguments = [*flags(store.parent, endpoint), f"--set=job.output.path={store}"]
    assert invoke(["run", *arguments, f"--set=job.output.on_exists={on_exists}"]) == 2
    assert f"{store} is a store: use `embed-pipeline refresh`" in capsys.readouterr().err


def flags(folder: Path, endpoint: ScriptedEndpoint) -> list[str]:
    """Return a job file with the settings of a corpus, a server and an output in a folder."""
    settings = {
        "job.corpus.files": folder / "c.jsonl",
        "job.endpoint.url": endpoint.url,
        "job.output.path": folder / "out",
    }
    job = str(ROOT / "configs/local.yaml")
    return [job, *(f"--set={name}={value}" for name, value in settings.items())]


@pytest.mark.parametrize("text", ["keep", "hash"])
def test_a_refresh_reuses_every_vector_of_an_adopted_dataset(
    tmp_path: Path, endpoint: ScriptedEndpoint, text: str, capsys: Captured
) -> None:
    lines = [
        '{"id": "a", "text": "apples", "n": 1, "x": 0.1, "open": true, "tag": "é"}\n',
        '{"id": "b", "text": "bears\\n", "n": null, "x": 2, "open": null, "tag": null}\n',
        '{"id": "c", "text": " "}\n',
    ]
    (tmp_path / "c.jsonl").write_text("".join(lines))
    arguments = [*flags(tmp_path, endpoint), f"--set=job.output.text={text}"]
    assert invoke(["run", *arguments]) == 3
    assert invoke(["refresh", *arguments]) == 4
    assert f"`embed-pipeline adopt {tmp_path}/out`" in capsys.readouterr().err
    assert invoke(["adopt", str(tmp_path / "out")]) == 0
    endpoint.requests.clear()
    assert invoke(["refresh", *arguments]) == 3
    assert (endpoint.texts, Store(str(tmp_path / "out")).entries()[-1].published) == ([], False)
    (tmp_path / "c.jsonl").write_text("".join(lines).replace("apples", "oranges"))
    assert invoke(["refresh", *arguments]) == 3
    told = Store(str(tmp_path / "out")).entries()[-1]
    assert (told.snapshot, told.embedded, told.updated, told.relabeled) == (2, 1, 1, 0)
    assert "oranges" in endpoint.texts
    assert not {"apples", "bears\n"} & set(endpoint.texts)


def test_a_refresh_of_a_store_in_use_is_refused(
    tmp_path: Path, endpoint: ScriptedEndpoint, capsys: Captured
) -> None:
    (tmp_path / "c.jsonl").write_text('{"id": "a", "text": "apples"}\n')
    with locked(str(tmp_path / "out")):
        assert invoke(["refresh", *flags(tmp_path, endpoint)]) == 4
    assert f"process {os.getpid()} on" in capsys.readouterr().err
    assert endpoint.texts == []


def test_a_script_reads_the_current_snapshot_by_its_path(store: Path) -> None:
    code = (
        'embed-pipeline() { "$PYTHON" -m embed_pipeline "$@"; }; ls "$(embed-pipeline path "$0")"'
    )
    done = subprocess.run(
        ["bash", "-ec", code, str(store)],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"data", "failures", "index", "manifest.json"} < set(done.stdout.split())
