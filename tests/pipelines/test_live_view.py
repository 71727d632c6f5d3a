"""What a run shows while it is under way, in windows of any size."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from embed_pipeline.health import Address, Health
from embed_pipeline.pipelines.live_view import WIDEST, duration, line, standing, view
from embed_pipeline.pipelines.rates import Figures
from embed_pipeline.progress import Progress

START = Figures(401, 1_001, True, 20.0, 20.0, 400.0, 0, {}, 30.0, 0.0)
FAILED = START._replace(failed=3, kinds={"EmptyText": 1, "TextTooLong": 2})
WELL = Address("http://127.0.0.1:11434", "well", 0.0, 4, 4, 1_203)
RESTING = Address("http://10.0.0.5:11434", "resting", 11.6, 0, 2, 12, {"Overloaded": 7})
GONE = Address("http://10.0.0.6:11434", "gone", 0.0, 0, 2, 1, {"ModelNotFound": 1})


def shown(now: Figures, health: Health, width: int = 100, height: int = 30) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, color_system=None)
    console.print(view(now, health, width, height))
    return [row.rstrip() for row in out.getvalue().splitlines()]


def test_a_line_tells_rates_and_what_is_left() -> None:
    assert line(START, Health((WELL,), 1, 7)) == (
        "401 of 1,001 texts, 20 texts/s (20 overall), 400 tokens/s, 0 failed, ready in 0:30"
    )


def test_a_line_tells_failures_by_kind_and_who_is_not_well() -> None:
    assert line(FAILED._replace(total=None, left=None), Health((WELL, RESTING, GONE))) == (
        "401 texts, 20 texts/s (20 overall), 400 tokens/s, 3 failed (2 TextTooLong, 1 EmptyText); "
        "http://10.0.0.5:11434 resting 12 s; http://10.0.0.6:11434 gone"
    )


def test_an_estimate_is_called_one() -> None:
    told = line(START._replace(exact=False, left=360.0), Health())
    assert told.startswith("401 of about 1,001 texts")
    assert told.endswith("ready in about 6:00")


def test_while_nothing_comes_that_is_told_and_no_time() -> None:
    told = line(START._replace(idle=42.0), Health())
    assert told.endswith("0 failed, nothing new for 0:42")


def test_a_run_that_has_embedded_all_is_finishing() -> None:
    assert line(START._replace(done=1_001, idle=42.0), Health()).endswith(
        "0 failed, finishing: last checks, writing the dataset"
    )


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("idle", [0.0, 42.0])
def test_after_the_last_text_it_tells_what_is_done_whatever_the_total_and_the_requests(
    idle: float, *, exact: bool
) -> None:
    now = START._replace(exact=exact, idle=idle, checks=1_000, checked=37)
    asked = Health((WELL,), 1, 0)
    end = "0 failed, checking a sample of the token counts (37 of 1,000)"
    assert line(now, asked).endswith(end)
    assert line(now._replace(writing=True), asked).endswith("0 failed, writing the dataset")


def test_while_a_sample_is_checked_nothing_is_told_of_requests_that_embedded() -> None:
    for now in (START._replace(checks=100), START._replace(writing=True)):
        assert len(shown(now, Health((WELL, RESTING), 1, 7))) == 2
        assert line(now, Health((RESTING,))) == line(now, Health())


def test_one_text_is_no_plural() -> None:
    assert line(START._replace(done=1, total=1), Health()).startswith("1 of 1 text, ")
    assert line(START._replace(done=1, total=None), Health()).startswith("1 text, ")


def test_control_characters_of_an_address_are_not_obeyed() -> None:
    rows = shown(START, Health((Address("http://a\x1b[2J", "gone", faults={"\x9b1m": 1}),)))
    assert rows[2:] == [
        r"http://a\x1b[2J  gone          0 of 0 in flight    0 requests",
        r"    1 \x9b1m",
    ]


def test_the_view_tells_of_rates_requests_failures_and_each_address() -> None:
    rows = shown(FAILED, Health((WELL, RESTING), 1, 7))
    bar, *others = rows
    assert bar.endswith("40%  401 of 1,001 texts")
    assert others == [
        (
            "20 texts/s (20 overall)  400 tokens/s  ready in 0:30  4 requests in flight, 1 waiting"
            "  7 repeated"
        ),
        "3 failed (2 TextTooLong, 1 EmptyText)",
        "http://127.0.0.1:11434  well          4 of 4 in flight    1,203 requests",
        "http://10.0.0.5:11434   resting 12 s  0 of 2 in flight    12 requests",
        "    7 Overloaded",
    ]


def test_a_narrow_window_has_more_and_shorter_lines() -> None:
    assert shown(FAILED, Health((WELL, RESTING), 1, 7), 50)[1:] == [
        "20 texts/s (20 overall)  400 tokens/s",
        "ready in 0:30  4 requests in flight, 1 waiting",
        "7 repeated  3 failed (2 TextTooLong, 1 EmptyText)",
        "http://127.0.0.1:11434  well          4/4    1,20…",
        "http://10.0.0.5:11434   resting 12 s  0/2    12 r…",
        "    7 Overloaded",
    ]


def test_in_a_narrow_window_it_is_still_told_how_many_are_in_flight() -> None:
    rows = shown(START, Health((WELL, WELL._replace(in_flight=16, at_most=16))), 40)
    assert rows[-2:] == [
        "http://127.0.0.1…  well          4/4   …",
        "http://127.0.0.1…  well          16/16 …",
    ]


def test_where_nobody_tells_of_addresses_nothing_is_said_of_requests() -> None:
    assert shown(START, Health())[1:] == ["20 texts/s (20 overall)  400 tokens/s  ready in 0:30"]


def test_where_not_all_addresses_fit_those_that_are_well_are_left_out_first() -> None:
    well = [WELL._replace(name=f"http://10.0.1.{number}:11434") for number in range(20)]
    rows = shown(START, Health((*well[:10], RESTING, *well[10:])), height=8)
    assert rows[2:] == [
        "http://10.0.1.0:11434  well          4 of 4 in flight    1,203 requests",
        "http://10.0.1.1:11434  well          4 of 4 in flight    1,203 requests",
        "http://10.0.0.5:11434  resting 12 s  0 of 2 in flight    12 requests",
        "    7 Overloaded",
        "and 18 more addresses",
    ]


@given(
    st.integers(1, 200),
    st.integers(2, 60),
    st.sampled_from([None, 1_001, 5_000_000]),
    st.lists(st.sampled_from([WELL, RESTING, GONE]), max_size=30),
)
def test_it_fits_into_any_window(
    width: int, height: int, total: int | None, addresses: list[Address]
) -> None:
    rows = shown(FAILED._replace(total=total), Health(tuple(addresses), 1, 7), width, height)
    assert max(map(len, rows)) <= min(width, WIDEST)
    if width >= 40:
        assert len(rows) <= max(height - 1, 6)


def test_names_are_no_markup() -> None:
    assert "http://[::1]:11434" in shown(START, Health((Address("http://[::1]:11434"),)))[-1]


def test_another_s_run_is_told_of_in_lines() -> None:
    now = Progress(1_200, 34_000, 2, {"EmptyText": 2})
    assert standing(now, Health((WELL, RESTING), 1, 7)) == [
        (
            "1,200 texts, 34,000 tokens, 2 failed (2 EmptyText), 4 requests in flight, 1 waiting, "
            "7 repeated"
        ),
        "  http://127.0.0.1:11434 well, 4 of 4 in flight, 1,203 requests",
        "  http://10.0.0.5:11434 resting 12 s, 0 of 2 in flight, 12 requests: 7 Overloaded",
    ]
    assert standing(Progress(5), Health()) == ["5 texts, 0 tokens, 0 failed"]


@pytest.mark.parametrize("now", [Progress(5, checked=1, checks=2), Progress(5, writing=True)])
def test_another_s_run_that_has_embedded_all_is_told_of_as_such(now: Progress) -> None:
    told = ["5 texts, 0 tokens, 0 failed, all is embedded"]
    assert standing(now, Health((WELL,), 1, 7)) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0:00"), (59.6, "1:00"), (61, "1:01"), (3_725, "1:02:05")]
)
def test_a_duration_is_told_as_on_a_clock(seconds: float, told: str) -> None:
    assert duration(seconds) == told
