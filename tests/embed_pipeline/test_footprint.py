"""How many bytes a dataset takes, held against what is really written."""

import numpy as np
import pytest

from embed_pipeline.errors import ServerFault
from embed_pipeline.footprint import rows_of, size_of
from embed_pipeline.outcomes import Failure, Vector
from embed_pipeline.output import Output
from embed_pipeline.records import Document
from embed_pipeline.schema import Layout
from embed_pipeline.work import Outcomes, Text
from tests.support.rows import row

LAYOUT = Layout(Output(path="out"), 8, {"n": "int64"})


def texts(*tokens: int | None, cut: int = 0) -> list[Text]:
    return [Text(Document(str(n), "t"), one, n < cut) for n, one in enumerate(tokens)]


def vector(tokens: int, truncated: bool | None = False) -> Vector:
    return Vector(np.ones(8, np.float32), tokens, "server", truncated)


def test_rows_are_made_of_the_texts_that_have_a_vector() -> None:
    outcomes: Outcomes = {1: vector(20), 0: vector(10), 2: Failure(ServerFault("no"), 1)}
    found = rows_of(texts(10, 20, 30), "all-minilm", outcomes)
    assert [(one.id, one.token_count, one.model) for one in found] == [
        ("0", 10, "all-minilm"),
        ("1", 20, "all-minilm"),
    ]


def test_size_grows_with_the_rows_and_not_with_the_footer() -> None:
    rows = [row(str(n), f"text {n}", attributes={"n": n}) for n in range(1_000)]
    footer = {"embed_pipeline": "x" * 50_000}
    one, ten = (size_of(LAYOUT, footer, rows, total) for total in (1_000, 10_000))
    plain = size_of(LAYOUT, {"embed_pipeline": ""}, rows, 1_000)
    assert one - plain == pytest.approx(50_000, abs=20_000)  # base64 of the schema has it as well
    assert ten - one == pytest.approx(9 * (plain - size_of(LAYOUT, {}, rows, 0)), rel=0.05)


def test_each_file_has_a_footer() -> None:
    layout = Layout(Output(path="out", file_mb=1), 8, None)
    rows = [row(str(n), f"text {n}") for n in range(100)]
    footer = {"embed_pipeline": "x" * 50_000}
    with_footers, without = (size_of(layout, made, rows, 100_000) for made in (footer, {}))
    files = -(-without // 1_000_000)
    assert with_footers - without >= 40_000 * (files - 1)


def test_rows_that_do_not_fit_the_schema_do_not_count() -> None:
    good = [row(str(n), attributes={"n": n}) for n in range(50)]
    bad = [row("x", attributes={"n": "no number"})]
    assert size_of(LAYOUT, {}, good + bad, 100) == size_of(LAYOUT, {}, good, 100)
    assert size_of(LAYOUT, {}, bad, 100) == 0
