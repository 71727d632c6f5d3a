"""The README's numbers are the benchmarks', and those hold what is promised."""

import json

import pytest

from benchmarks.grouping import Sized, requests
from benchmarks.mixed_texts import mixed_texts, scripts
from benchmarks.readme import README, measured, section
from benchmarks.results import FOLDER


def test_the_readme_tells_the_raw_results() -> None:
    assert section(README.read_text(encoding="utf-8")) == measured()


@pytest.mark.parametrize(
    ("name", "path", "bound"),
    [
        ("client_cost", ["ours / floor"], 2.0),
        ("client_cost", ["ours / stock Beam"], 0.6),
        ("server_bound", ["wall / served"], 1.03),
        ("memory", ["large / small"], 1.3),
        ("shuffle", ["ours / values"], 1.1),
        ("shuffle", ["ours / pickled, CPU"], 0.9),
        ("shuffle", ["ours / python floats, CPU"], 0.75),
        ("shuffle", ["ours / python floats, bytes"], 0.5),
        ("fidelity", ["largest difference"], 5e-6),
        ("token_counting", ["all texts", "count / bare, wall"], 1.2),
        ("token_counting", ["all texts", "count / bare, CPU"], 1.2),
        ("token_counting", ["texts that fit", "prepare / bare, wall"], 1.2),
        ("token_counting", ["texts that fit", "prepare / bare, CPU"], 1.2),
        ("token_truth", ["rows missing"], 0),
        ("token_truth", ["rows neither server nor verified"], 0),
        ("token_truth", ["token counts that are wrong"], 0),
        ("token_truth", ["truncated flags that are wrong"], 0),
        ("token_truth", ["texts no request was noted for"], 0),
        ("token_truth", ["tokens apart"], 0),
        ("soak", ["rows lost"], 0),
        ("soak", ["rows doubled"], 0),
        ("soak", ["wrong vectors"], 0),
        ("soak", ["failures without a reason"], 0),
        ("soak", ["other promises broken"], 0),
        ("refresh", ["nights", "unchanged", "texts sent"], 0),
        ("refresh", ["nights", "1 % changed", "embedded"], 2_000),
        ("refresh", ["nights", "1 % changed", "texts sent"], 2_020),  # with the sample
        ("refresh", ["unchanged / first, wall"], 0.2),
        ("refresh", ["1 % changed / first, wall"], 0.4),
        ("refresh", ["large", "nights", "unchanged", "texts sent"], 0),
        ("refresh", ["peak_mb of a refresh"], 2_000),
        ("kills", ["lost beyond a checkpoint"], 0),
        ("kills", ["in whole part files, and sent again"], 0),
        ("kills", ["largest difference"], 1e-6),
    ],
)
def test_the_recorded_results_stay_within_their_bounds(
    name: str, path: list[str], bound: float
) -> None:
    found = json.loads((FOLDER / f"{name}.json").read_text())
    for key in path:
        found = found[key]
    assert found <= bound


def test_two_worker_processes_do_nearly_twice_as_much_as_one() -> None:
    found = json.loads((FOLDER / "two_workers.json").read_text())
    assert found["two / one"] >= 1.8


@pytest.mark.parametrize(
    "engine", ["FnApiRunner", "FnApiRunner x 2", "Prism", "embedded Flink", "Flink cluster"]
)
def test_a_row_costs_less_than_stock_beam_s_on_every_engine(engine: str) -> None:
    found = json.loads((FOLDER / "engines.json").read_text())["engines"][engine]
    assert found["CPU, ours / stock Beam"] < 1
    assert list(found["ours"]["jobs"]) == ["10,000", "100,000", "1,000,000"]


def test_flink_shuffles_no_row() -> None:
    found = json.loads((FOLDER / "engines.json").read_text())["engines"]["Flink cluster"]
    assert found["ours"]["shuffled bytes a row"] < 10
    assert found["stock Beam"]["shuffled bytes a row"] > 1_000


@pytest.mark.parametrize("texts", ["short", "long"])
def test_the_embedded_endpoint_keeps_up_with_a_bare_loop(texts: str) -> None:
    found = json.loads((FOLDER / "embedded_rate.json").read_text())
    assert found[texts]["HTTP / bare"] >= 0.9


@pytest.mark.parametrize("corpus", ["demo corpus", "mixed texts"])
def test_grouping_texts_of_similar_length_is_no_slower_than_taking_them_as_they_come(
    corpus: str,
) -> None:
    found = json.loads((FOLDER / "grouping.json").read_text())
    assert found[corpus]["as they come / windows of 256"] >= 0.98


def test_the_truth_was_asked_about_twenty_thousand_texts_of_many_scripts() -> None:
    found = json.loads((FOLDER / "token_truth.json").read_text())
    assert found["rows"] == found["texts"] == 20_000
    assert found["texts that are too long"] >= 500
    assert len(found["texts by script"]) >= 10


def test_the_soak_was_of_fifty_thousand_texts_at_least() -> None:
    assert json.loads((FOLDER / "soak.json").read_text())["texts"] >= 50_000


def test_the_largest_store_that_was_refreshed_has_a_million_rows() -> None:
    found = json.loads((FOLDER / "refresh.json").read_text())["large"]
    assert {one["rows"] for one in found["nights"].values()} == {1_000_000}


def test_a_refresh_of_twenty_thousand_texts_was_killed_ten_times() -> None:
    found = json.loads((FOLDER / "kills.json").read_text())
    assert found["texts"] == 20_000
    assert len(found["kills"]) == 10


def test_mixed_texts_are_different_can_be_sent_and_stay_the_same() -> None:
    texts = mixed_texts(150)
    assert texts == mixed_texts(150)
    assert len(texts) == len(set(texts)) <= 150
    assert all(text.strip() and "\0" not in text and text.encode() for text in texts)


def test_a_text_is_of_the_script_of_most_of_its_letters() -> None:
    texts = ["a word", "слово word слово", "你好", "12:30"]
    assert scripts(texts) == {"latin": 1, "cyrillic": 1, "cjk": 1, "none": 1}


def test_requests_hold_texts_of_similar_length_from_within_a_window() -> None:
    texts = [Sized(name, size) for name, size in zip("abcdef", (9, 1, 8, 2, 3, 7), strict=True)]
    assert list(requests(texts, 0, 2)) == [["a", "b"], ["c", "d"], ["e", "f"]]
    assert list(requests(texts, 4, 2)) == [["a", "c"], ["d", "b"], ["f", "e"]]
    assert list(requests(texts, 6, 2)) == [["a", "c"], ["f", "e"], ["d", "b"]]
