"""The README's numbers are the benchmarks', and those hold what is promised."""

import json
import subprocess
import sys

import pytest

from benchmarks.__main__ import MINUTES
from benchmarks.grouping import Sized, requests
from benchmarks.mixed_texts import mixed_texts, scripts
from benchmarks.readme import FULL, README, everything, measured, section
from benchmarks.results import FOLDER, lengths, machine
from benchmarks.spread import Spread, of, ratios, spread
from benchmarks.tables import ROWS, recorded
from benchmarks.tables import lengths as told_lengths


def test_the_readme_tells_the_raw_results() -> None:
    assert section(README.read_text(encoding="utf-8")) == measured()


def test_the_page_of_benchmarks_tells_the_raw_results() -> None:
    assert section(FULL.read_text(encoding="utf-8")) == everything()


def test_every_raw_result_has_its_rows() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} <= set(ROWS)


def test_every_result_comes_of_a_benchmark_that_can_be_named() -> None:
    assert set(MINUTES) == {*ROWS} - {"grouping_server"}  # which grouping makes, too


def test_a_benchmark_that_does_not_exist_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no such benchmark: nothing" in done.stderr


def test_a_spread_is_told_with_its_ends_where_there_is_more_than_one_round() -> None:
    assert spread([3, 1, 2]) == Spread(2, 1, 3, 3)
    assert spread([3, 1, 2]).told() == "2.0 [1.0–3.0]"
    assert spread([2]).told() == "2.0"


def test_a_ratio_is_taken_within_each_round() -> None:
    assert ratios([(2, 1), (9, 3), (8, 2)]) == Spread(3, 2, 4, 3)


def test_rounds_that_were_not_recorded_are_not_made_up() -> None:
    assert of({"cost": 2, "rounds": {"cost": [1, 2, 3]}}, "cost").told() == "2.0 [1.0–3.0]"
    assert of({"cost": 2}, "cost").told() == "2.0"
    assert of({"cost": 2}, "cost", unrecorded=5).told() == "2.0 [-]"


def test_lengths_are_of_characters_and_of_tokens() -> None:
    assert lengths(["a cat"] * 19 + ["a cat and a dog"]) == {
        "characters": {"p50": 5, "p95": 6},
        "tokens": {"p50": 4, "p95": 4},
    }


def test_lengths_that_were_not_recorded_are_not_made_up() -> None:
    one = {"characters": {"p50": 5, "p95": 1_500}}
    assert told_lengths({}) == "-"
    assert told_lengths({"lengths": {"corpus": one}}) == "5 / 1,500 characters"
    assert told_lengths({"lengths": {"a": one, "b": one}}).startswith("a: 5 / 1,500 characters; b:")
    assert told_lengths({"lengths": {"a": one, "b": one}}, "b") == "5 / 1,500 characters"


def test_a_result_says_what_it_was_measured_on() -> None:
    found = machine()
    assert found["cores"] >= 1
    assert found["memory_gib"] > 0
    assert found["python"].startswith("3.")
    assert found["apache-beam"].startswith("2.")


@pytest.mark.skipif(not recorded("report_cost"), reason="python -m benchmarks report_cost")
@pytest.mark.parametrize(
    ("name", "bound"), [("drawing / run, wall", 0.02), ("largest page, bytes", 2_000_000)]
)
def test_the_report_stays_within_its_bounds(name: str, bound: float) -> None:
    found = json.loads((FOLDER / "report_cost.json").read_text())
    assert found["runs"]["1,000,000"]["wall_s"] >= 60
    assert found[name] <= bound


@pytest.mark.parametrize(
    ("name", "path", "bound"),
    [
        ("client_cost", ["ours / floor"], 2.0),
        ("client_cost", ["ours / stock Beam"], 0.65),
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
