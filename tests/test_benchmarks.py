"""The README's numbers are the benchmarks', and those hold what is promised."""

import json

import pytest

from benchmarks.readme import README, measured, section
from benchmarks.results import FOLDER


def test_the_readme_tells_the_raw_results() -> None:
    assert section(README.read_text(encoding="utf-8")) == measured()


@pytest.mark.parametrize(
    ("name", "path", "bound"),
    [
        ("client_cost", ["ours / floor"], 2.0),
        ("client_cost", ["ours / stock Beam"], 0.55),
        ("server_bound", ["wall / served"], 1.03),
        ("memory", ["large / small"], 1.3),
        ("fidelity", ["largest difference"], 5e-6),
    ],
)
def test_the_recorded_results_stay_within_their_bounds(
    name: str, path: list[str], bound: float
) -> None:
    found = json.loads((FOLDER / f"{name}.json").read_text())
    for key in path:
        found = found[key]
    assert found <= bound


@pytest.mark.parametrize("texts", ["short", "long"])
def test_the_embedded_endpoint_keeps_up_with_a_bare_loop(texts: str) -> None:
    found = json.loads((FOLDER / "embedded_rate.json").read_text())
    assert found[texts]["HTTP / bare"] >= 0.9
