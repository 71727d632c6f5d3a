"""The page's file: ours is known again, and what is somebody's own is left alone."""

from pathlib import Path

import pytest

from embed_pipeline.page.draw import draw
from embed_pipeline.page_file import drop_page, in_the_way, is_page
from tests.support import reports


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def test_a_page_of_ours_is_known_again_and_dropped(tmp_path: Path, page: Path) -> None:
    page.write_text(draw(reports.manifest(20), reports.report(20)))
    assert is_page(str(page))
    assert in_the_way(str(tmp_path)) == ""
    drop_page(str(tmp_path))
    assert not page.exists()


def test_where_there_is_none_nothing_is_in_the_way(tmp_path: Path) -> None:
    assert in_the_way(str(tmp_path)) == ""
    drop_page(str(tmp_path))


def test_a_page_that_only_speaks_of_ours_is_somebody_s_own(tmp_path: Path, page: Path) -> None:
    ours = draw(reports.manifest(20), None)
    page.write_text(f"<html><head></head><body><pre>{ours}</pre></body></html>")
    assert in_the_way(str(tmp_path)) == (
        f"{page} is no report of ours, so it stays; move it away, then `embed-pipeline report` "
        "draws ours"
    )
    drop_page(str(tmp_path))
    assert page.exists()


def test_a_folder_in_its_place_is_told_and_stays(tmp_path: Path, page: Path) -> None:
    page.mkdir()
    assert not is_page(str(page))
    assert in_the_way(str(tmp_path)).startswith(f"{page} is a folder, so it stays; move it away")
    drop_page(str(tmp_path))
    assert page.is_dir()
