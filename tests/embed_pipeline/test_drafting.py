"""The report of a run, from what its bundles tell."""

import logging
import pickle
import zlib

import numpy as np
import pytest

from embed_pipeline.drafting import Bundle, draft, without_points
from embed_pipeline.errors import FailedTry
from embed_pipeline.outcomes import Answered, Effort, Vector
from embed_pipeline.output import Output
from embed_pipeline.points import MOST, Point, point
from embed_pipeline.records import Document
from embed_pipeline.report import Report, Seconds
from embed_pipeline.statistics import Statistics
from tests.support.rows import made_by
from tests.support.scripted import DIMENSION, vector_of

OUTPUT = Output(path="out")
TEXTS = Output(path="out", report_texts=True)


def drawn(number: int) -> Point:
    document = Document(f"d{number}", f"<b>text</b> {number}", {"even": number % 2 == 0})
    return point(zlib.crc32(document.id.encode()), document, vector_of(document.text))


def bundle(*numbers: int, second: int = 100, tokens: int = 4, total_ns: int = 10_000_000) -> bytes:
    """Return what a bundle of one request tells that had one fault."""
    statistics = Statistics()
    results = [Vector(np.zeros(1, np.float32), tokens, "verified", False) for _ in numbers]
    statistics.count(
        results,
        Effort(
            requests=2,
            faults={"Overloaded": 1},
            failed_tries=[FailedTry("Overloaded", "http://two", 0.25)],
            answered=[Answered("http://one", len(numbers), 4, 20, total_ns, 0)],
            request_ms=[20],
            batch_texts=[len(numbers)],
            asked_s=0.5,
            ended=second,
        ),
    )
    statistics.spend(2.0, 0.25, 1.0, 0.125, ended=second + 3.0)
    return pickle.dumps(Bundle(statistics, [drawn(number) for number in numbers]), 5)


def drafted(*bundles: bytes, output: Output = OUTPUT) -> Report:
    found = draft(bundles, output, made_by())
    assert found is not None
    return found


def test_bundles_become_one_report() -> None:
    found = drafted(bundle(1, 2, 3), bundle(4, second=102, tokens=7))
    line = found.timeline
    assert (line.start, line.width_s, line.texts, line.tokens) == (100, 1, [3, 0, 1], [12, 0, 7])
    assert (line.failed, line.requests, line.faults) == ([0] * 3, [2, 0, 2], [1, 0, 1])
    assert found.seconds == Seconds(
        wall=4.0, server=0.04, load=0.25, waiting=2.21, own=1.5, began=101.0, ended=105.0
    )
    assert found.seconds.told
    assert (found.token_counts.edges, found.token_counts.counts) == ([4, 5, 6, 7, 8], [3, 0, 0, 1])
    assert (found.token_counts.sum, found.token_counts.max, found.context) == (19, 7, 256)
    one, two = found.endpoints
    assert (one.name, one.requests, one.texts, one.seconds) == ("http://one", 2, 4, 0.04)
    assert (two.name, two.requests, two.texts) == ("http://two", 2, 0)
    assert two.faults == {"Overloaded": 2}
    assert found.faults["Overloaded"].model_dump() == {"count": 2, "lost_s": 0.5}


def test_the_map_is_the_same_whatever_the_bundles() -> None:
    one = drafted(bundle(*range(40))).map
    many = drafted(*(bundle(n, n + 1) for n in reversed(range(0, 40, 2)))).map
    assert one == many
    assert (one.of, len(one.x), len(one.y), len(one.category)) == (40, 40, 40, 40)
    assert (one.color_by, one.categories) == ("even", ["false", "true"])


def test_the_map_has_no_more_points_than_a_page_can_show() -> None:
    found = drafted(bundle(*range(MOST + 50))).map
    assert (found.of, len(found.x), len(found.category)) == (MOST + 50, MOST, MOST)


def test_an_answer_that_tells_no_duration_is_told() -> None:
    assert not drafted(bundle(1), bundle(2, total_ns=0)).seconds.told


def test_the_map_has_no_point_of_an_id_that_stands_twice() -> None:
    bundles = [bundle(1, 2, 3), bundle(3, 4)]
    found = drafted(*bundles, output=TEXTS)
    assert sorted(found.map.texts) == [f"<b>text</b> {number}" for number in (1, 2, 4)]
    assert found.map.of == 5


def test_no_text_is_shown_unless_that_is_asked_for() -> None:
    assert "<b>" not in drafted(bundle(1, 2)).model_dump_json()
    shown = drafted(bundle(1, 2), output=TEXTS).map.texts
    assert sorted(shown) == ["<b>text</b> 1", "<b>text</b> 2"]


def test_the_attribute_that_is_asked_for_is_the_color() -> None:
    output = Output(path="out", report_color="other")
    found = drafted(bundle(1, 2), output=output).map
    assert (found.color_by, found.categories, found.category) == ("other", [], [-1, -1])


def test_a_run_that_embedded_nothing_has_a_report() -> None:
    found = drafted()
    assert found == Report(context=256)


def test_where_no_report_is_wanted_none_is_made() -> None:
    assert draft([bundle(1)], Output(path="out", report=False), made_by()) is None


def test_what_cannot_be_drafted_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "embed_pipeline"):
        assert draft([b"no pickle"], OUTPUT, made_by()) is None
    assert "goes on without a report" in caplog.text


def test_points_of_another_dimension_are_left_out() -> None:
    found = draft([bundle(1)], OUTPUT, {**made_by(), "dimension": DIMENSION + 1})
    assert found is not None
    assert (found.map.of, found.map.x) == (1, [])


def test_a_bundle_without_its_points_still_counts() -> None:
    found = drafted(without_points(bundle(1, 2)))
    assert (found.map.x, sum(found.timeline.texts)) == ([], 2)
