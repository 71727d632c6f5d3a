"""Of what the figures of a page are."""

from embed_pipeline.page.scope import embedded, forgotten, scope
from tests.support import reports


def test_of_a_run_that_made_all_rows_nothing_is_said() -> None:
    assert scope(reports.manifest(20), reports.report(20)) == ""


def test_where_rows_were_there_before_the_figures_are_of_this_run_alone() -> None:
    assert "Of this run alone, which embedded 20 texts; the dataset has 2,000 rows." in scope(
        reports.manifest(2_000), reports.report(20)
    )


def test_without_a_report_the_manifest_tells_how_many_were_embedded() -> None:
    assert embedded(reports.manifest(30), None) == 30


def test_rows_a_snapshot_has_lost_were_forgotten() -> None:
    assert forgotten(reports.forgotten(58, 2)) == 2
    assert forgotten(reports.manifest(60)) == 0
