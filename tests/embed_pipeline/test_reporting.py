"""The report beside a dataset: written, renewed, forgotten, and never a reason to fail."""

import logging
from pathlib import Path
from typing import Any

import pytest

from embed_pipeline import reporting
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.output import Output
from embed_pipeline.page.draw import draw
from embed_pipeline.report import FailurePlace, Map, Report, read_report
from tests.support.datasets import dataset
from tests.support.rows import row

DRAFT = Report(context=256, map=Map(of=9, x=[0.5], y=[0.5], category=[-1], texts=["secret text"]))


def made(path: Path, failed: list[str], **output: Any) -> Manifest:
    return dataset(path, [row("a")], failed=failed, **output)


def settings(path: Path, **output: Any) -> Output:
    return Output.model_validate({"path": str(path), **output})


def written(path: Path, manifest: Manifest, **output: Any) -> Report | None:
    reporting.write(str(path), manifest, DRAFT, settings(path, **output))
    assert not (path / "report.html").exists()
    reporting.redraw(str(path), manifest)
    return read_report(str(path))


def page(path: Path) -> str:
    return (path / "report.html").read_text()


def test_it_is_of_the_run_and_tells_where_failures_stand(tmp_path: Path) -> None:
    manifest = made(tmp_path, ["b"])
    found = written(tmp_path, manifest)
    place = FailurePlace(kind="EmptyText", source="f", line=9, text=None)
    assert found == DRAFT.model_copy(update={"run_id": manifest.run_id, "places": [place]})
    assert page(tmp_path) == draw(manifest, found)


def test_no_more_than_three_failures_of_a_kind_are_told(tmp_path: Path) -> None:
    found = written(tmp_path, made(tmp_path, list("bcdefgh")))
    assert found is not None
    assert len(found.places) == 3


def test_the_text_of_a_failure_is_told_only_where_texts_are_wanted(tmp_path: Path) -> None:
    found = written(tmp_path, made(tmp_path, ["b"]), report_texts=True)
    assert found is not None
    assert [one.text for one in found.places] == ["t"]


def test_a_run_of_which_nothing_was_counted_has_its_report(tmp_path: Path) -> None:
    manifest = made(tmp_path, [])
    reporting.write(str(tmp_path), manifest, None, settings(tmp_path))
    reporting.redraw(str(tmp_path), manifest)
    assert read_report(str(tmp_path)) == Report(run_id=manifest.run_id)
    assert page(tmp_path) == draw(manifest, Report(run_id=manifest.run_id))


def test_where_none_is_wanted_none_is_left(tmp_path: Path) -> None:
    manifest = made(tmp_path, [])
    assert page(tmp_path)
    assert written(tmp_path, manifest, report=False) is None
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("task", ["write", "renew", "redraw"])
def test_a_report_that_cannot_be_written_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, task: str
) -> None:
    manifest = made(tmp_path, ["b"])
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.json").unlink()
    (tmp_path / "report.json").mkdir()
    (tmp_path / "report.json" / "full").touch()
    arguments = {
        "write": (manifest, DRAFT, settings(tmp_path)),
        "renew": (manifest, settings(tmp_path)),
        "redraw": (manifest,),
    }
    with caplog.at_level(logging.WARNING, "embed_pipeline"):
        getattr(reporting, task)(str(tmp_path), *arguments[task])
    assert f"{tmp_path} is good, but its report cannot be written" in caplog.text


def test_it_is_renewed_with_the_failures_there_are_now(tmp_path: Path) -> None:
    manifest = made(tmp_path, ["b"])
    before = written(tmp_path, manifest)
    now = manifest.model_copy(
        update={
            "counts": manifest.counts.model_copy(update={"failed_by_blame_and_kind": {}}),
            "failures": [],
        }
    )
    reporting.renew(str(tmp_path), now, settings(tmp_path))
    assert before is not None
    found = read_report(str(tmp_path))
    assert found == before.model_copy(update={"places": []})
    assert page(tmp_path) == draw(now, found)


def test_a_report_of_another_run_is_not_renewed(tmp_path: Path) -> None:
    manifest = made(tmp_path, ["b"])
    (tmp_path / "report.json").write_bytes(DRAFT.model_copy(update={"run_id": "other"}).to_json())
    reporting.renew(str(tmp_path), manifest, settings(tmp_path))
    assert page(tmp_path) == draw(manifest, None)


def test_what_is_forgotten_leaves_no_row_in_it(tmp_path: Path) -> None:
    manifest = made(tmp_path, ["b"])
    written(tmp_path, manifest, report_texts=True)
    reporting.forget(str(tmp_path), manifest)
    found = read_report(str(tmp_path))
    assert found == Report(run_id=manifest.run_id, context=256, map=Map(of=9))
    assert not (tmp_path / "report.html").exists()
    reporting.redraw(str(tmp_path), manifest)
    assert page(tmp_path) == draw(manifest, found)


@pytest.mark.parametrize("content", [b"{", DRAFT.to_json()])
def test_a_report_that_is_not_known_is_forgotten_altogether(tmp_path: Path, content: bytes) -> None:
    manifest = made(tmp_path, [])
    (tmp_path / "report.json").write_bytes(content)
    reporting.forget(str(tmp_path), manifest)
    assert not (tmp_path / "report.json").exists()
    assert not (tmp_path / "report.html").exists()
    reporting.redraw(str(tmp_path), manifest)
    assert not (tmp_path / "report.html").exists()


def test_a_page_of_somebody_else_stays_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = made(tmp_path, ["b"])
    (tmp_path / "report.html").write_text("mine")
    reporting.write(str(tmp_path), manifest, DRAFT, settings(tmp_path))
    reporting.redraw(str(tmp_path), manifest)
    reporting.renew(str(tmp_path), manifest, settings(tmp_path))
    reporting.forget(str(tmp_path), manifest)
    reporting.copy(str(tmp_path), str(tmp_path / "other"), manifest)
    reporting.delete(str(tmp_path))
    assert page(tmp_path) == "mine"
    assert not (tmp_path / "other" / "report.html").exists()
    told = f"{tmp_path}/report.html is no report of ours, so it stays; move it away, then"
    assert caplog.messages == [f"{told} `embed-pipeline report` draws ours"] * 2


def test_what_a_dataset_lacks_is_named(tmp_path: Path) -> None:
    manifest = made(tmp_path, [])
    assert reporting.missing(str(tmp_path), manifest) == []
    (tmp_path / "report.html").unlink()
    (tmp_path / "README.md").unlink()
    assert reporting.missing(str(tmp_path), manifest) == ["report.html", "README.md"]
    (tmp_path / "report.json").unlink()
    assert reporting.missing(str(tmp_path), manifest) == ["README.md"]


def test_it_goes_with_its_dataset(tmp_path: Path) -> None:
    manifest = made(tmp_path / "one", [])
    (tmp_path / "two").mkdir()
    reporting.copy(str(tmp_path / "one"), str(tmp_path / "two"), manifest)
    assert read_report(str(tmp_path / "two")) == read_report(str(tmp_path / "one"))
    assert page(tmp_path / "two") == page(tmp_path / "one")
    reporting.delete(str(tmp_path / "one"))
    assert not reporting.has(str(tmp_path / "one"), manifest)
    assert reporting.has(str(tmp_path / "two"), manifest)


def test_a_file_that_is_no_report_of_the_dataset_is_not_taken_along(tmp_path: Path) -> None:
    manifest = made(tmp_path, [])
    (tmp_path / "report.json").write_bytes(b"mine")
    (tmp_path / "two").mkdir()
    reporting.copy(str(tmp_path), str(tmp_path / "two"), manifest)
    assert list((tmp_path / "two").iterdir()) == []
    assert read_manifest(str(tmp_path)) == manifest
