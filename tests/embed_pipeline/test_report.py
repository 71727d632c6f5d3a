"""report.json: what it holds is read back, and what is damaged is told."""

from pathlib import Path

import pytest

from embed_pipeline.errors import DatasetError
from embed_pipeline.histogram import Histogram as Counted
from embed_pipeline.report import (
    EndpointShare,
    FailurePlace,
    Fault,
    Histogram,
    Map,
    Report,
    Timeline,
    quantile,
    read_report,
)

WHOLE = Report(
    run_id="20260101T000000Z-abc123",
    timeline=Timeline(start=60, width_s=30, texts=[4], tokens=[9], failed=[1], requests=[2]),
    request_ms=Histogram(edges=[3, 4, 5], counts=[1, 1], sum=7, max=4),
    context=256,
    endpoints=[EndpointShare(name="http://one", faults={"Overloaded": 2}, rested_s=1.5)],
    faults={"Overloaded": Fault(count=2, lost_s=0.5)},
    map=Map(
        of=9, x=[0.5], y=[-1.0], explained=(0.5, 0.25), color_by="lang", categories=["<de>"],
        category=[0], texts=["a <b>text</b>"],
    ),
    places=[FailurePlace(kind="EmptyText", source="f.jsonl", line=3)],
)  # fmt: skip


def histogram(*numbers: int) -> Histogram:
    counted = Counted()
    counted.add(numbers)
    edges, counts = counted.edges_and_counts()
    return Histogram(edges=edges, counts=counts, sum=counted.total, max=counted.most)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(WHOLE.to_json())
    assert read_report(str(tmp_path)) == WHOLE


def test_every_part_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(b'{"format": 1}')
    assert read_report(str(tmp_path)) == Report()


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_report(str(tmp_path)) is None


@pytest.mark.parametrize(
    "content", [b"", b"no JSON", b"[]", b"{}", b'{"format": "x"}', b'{"format": 1, "map": 3}']
)
def test_what_is_no_report_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(DatasetError, match=r"report\.json is damaged, or no report .*: delete it"):
        read_report(str(tmp_path))


def test_a_report_of_a_newer_format_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(b'{"format": 2}')
    with pytest.raises(DatasetError, match="format 2, written by a newer version"):
        read_report(str(tmp_path))


def test_quantiles_of_small_numbers_are_exact() -> None:
    found = histogram(1, 2, 2, 3, 3, 3, 3, 9, 9, 12)
    assert [quantile(found, share) for share in (0.0, 0.1, 0.5, 0.9, 1.0)] == [1, 1, 3, 9, 12]


def test_quantiles_of_large_numbers_are_exact_to_a_bin_and_never_above_the_highest() -> None:
    found = histogram(*range(1_000))
    assert quantile(found, 0.5) == pytest.approx(500, rel=0.01)
    assert quantile(found, 0.95) == pytest.approx(950, rel=0.01)
    assert quantile(found, 1.0) == 999
    assert quantile(histogram(1_000), 0.5) <= 1_000


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile(histogram(), 0.5) == 0.0
