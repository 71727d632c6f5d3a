"""Where the time of a run went, as a report shows it."""

import re

import pytest

from embed_pipeline.page.times import where_time_went
from embed_pipeline.report import Report, Seconds
from tests.support import reports

STARTED = 1_000.0  # seconds since the epoch
MADE = reports.manifest(20, started="1970-01-01T00:16:40+00:00", finished="1970-01-01T00:17:40Z")


def shown(seconds: Seconds) -> str:
    """Return what is shown of a run of a minute."""
    return where_time_went(MADE, Report(seconds=seconds))


def cells(page: str) -> list[list[str]]:
    """Return what stands in the rows of the table, as text."""
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", page)
    return [
        [re.sub(r"<[^>]+>", "", one) for one in re.split(r"</t[hd]>", row)[:-1]] for row in rows
    ]


def test_the_parts_of_the_time_are_told_in_shares() -> None:
    seconds = Seconds(wall=200, server=120, load=20, waiting=50, own=10)
    rows = cells(shown(seconds))

    assert [row[:3] for row in rows] == [
        ["server", "2 min 00 s", "60.0 %"],
        ["loading", "20 s", "10.0 %"],
        ["waiting", "50 s", "25.0 %"],
        ["ours", "10 s", "5.0 %"],
        ["all", "3 min 20 s", ""],
    ]


def test_where_the_endpoint_tells_no_times_waiting_for_it_is_one_part() -> None:
    seconds = Seconds(wall=100, server=0, load=5, waiting=70, own=25, told=False)
    found = shown(seconds)

    assert [row[:3] for row in cells(found)] == [
        ["endpoint", "1 min 15 s", "75.0 %"],
        ["ours", "25 s", "25.0 %"],
        ["all", "1 min 40 s", ""],
    ]
    assert "The endpoint does not tell how long it computes" in found
    assert "server" not in found


def test_where_no_time_was_measured_nothing_is_shown() -> None:
    assert shown(Seconds()) == ""


def test_the_parts_with_what_came_before_and_after_are_the_time_of_the_run() -> None:
    seconds = Seconds(
        wall=20, server=12, load=2, waiting=5, own=1, began=STARTED + 3, ended=STARTED + 25
    )
    found = cells(shown(seconds))

    assert [row[:3] for row in found] == [
        ["server", "12 s", "20.0 %"],
        ["loading", "2 s", "3.3 %"],
        ["waiting", "5 s", "8.3 %"],
        ["ours", "3 s", "5.0 %"],  # with 2 s between bundles
        ["before", "3 s", "5.0 %"],
        ["after", "35 s", "58.3 %"],
        ["all", "1 min 00 s", ""],
    ]
    assert found[-1][3] == "from start to publishing"


def test_of_processes_that_overlap_each_part_is_its_share_of_the_time_they_took() -> None:
    seconds = Seconds(
        wall=80, server=40, load=0, waiting=20, own=20, began=STARTED, ended=STARTED + 40
    )
    found = shown(seconds)

    assert [row[1] for row in cells(found)] == [
        "20 s", "0 s", "10 s", "10 s", "0 s", "20 s", "1 min 00 s"
    ]  # fmt: skip
    assert "Processes overlapped: together they took 1 min 20 s within 40 s," in found


@pytest.mark.parametrize(
    ("began", "ended"),
    [(0.0, 0.0), (STARTED - 5, STARTED + 9), (STARTED + 9, STARTED + 61)],
)
def test_where_it_is_not_known_when_bundles_ran_they_alone_are_told(
    began: float, ended: float
) -> None:
    found = cells(shown(Seconds(wall=9, own=9, began=began, ended=ended)))

    assert [row[0] for row in found] == ["server", "loading", "waiting", "ours", "all"]
    assert found[-1][1:] == ["9 s", "", "of the embed steps, summed over processes"]
