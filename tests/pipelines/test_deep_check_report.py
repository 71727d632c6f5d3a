"""What a deep check looks like on a terminal, and as JSON."""

import io
import json
from collections.abc import Iterator

import numpy as np
from rich.console import Console

from embed_pipeline.engine import Engine
from embed_pipeline.limits import Limits
from embed_pipeline.pipelines.deep_check_report import as_object, report
from embed_pipeline.verdict import Case, Verdict

VERDICTS = [
    Verdict("order", "holds", "18 texts of one request got their own vectors"),
    Verdict("keep_alive expiry", "not known", "not tried"),
    Verdict(
        "vectors as published",
        "broken",
        "2 of 43 awkward texts (5%) are hit: use another",
        (Case("a NUL \x00 [here]", None), Case("tutorial and documentation about C++", 0.28091)),
    ),
]
FOUND = Engine(
    url="http://one:11434",
    version="0.24.0",
    model="all-minilm",
    digest="d1",
    limits=Limits(256, "server", True, None),
    dimension=384,
    canary=np.zeros((24, 384), np.float32),
)


def printed(verdicts: list[Verdict], width: int = 200) -> tuple[int, str]:
    out = io.StringIO()
    code = report(Console(file=out, width=width), verdicts)
    return code, out.getvalue()


def test_a_verdict_is_a_line_and_the_texts_it_names_stand_below() -> None:
    assert printed(VERDICTS)[1].splitlines() == [
        "holds      order                 18 texts of one request got their own vectors",
        "not known  keep_alive expiry     not tried",
        "broken     vectors as published  2 of 43 awkward texts (5%) are hit: use another",
        "     none  'a NUL \\x00 [here]'",
        "    0.281  'tutorial and documentation about C++'",
        "3 promises: 1 holds, 1 broken, 1 not known",
    ]


def test_lines_stay_whole_on_a_narrow_terminal() -> None:
    assert printed(VERDICTS, 20) == printed(VERDICTS)


def test_what_an_error_says_in_several_lines_is_one() -> None:
    _, out = printed([Verdict("vectors", "broken", "one\n  two")])
    assert out.splitlines()[0] == "broken     vectors               one two"


def test_the_exit_code_is_1_only_where_a_promise_is_broken() -> None:
    assert printed(VERDICTS[:2])[0] == 0
    assert printed(VERDICTS)[0] == 1


def test_a_verdict_is_printed_before_the_next_one_is_sought() -> None:
    out = io.StringIO()
    seen = []

    def found() -> Iterator[Verdict]:
        for verdict in VERDICTS[:2]:
            yield verdict
            seen.append(out.getvalue().count("\n"))

    report(Console(file=out, width=200), found())
    assert seen == [1, 2]


def test_as_json_it_holds_the_facts_and_every_verdict() -> None:
    found = json.loads(json.dumps(as_object(FOUND, iter(VERDICTS))))
    assert found["holds"] is False
    assert found["verdicts"][2] == {
        "name": "vectors as published",
        "verdict": "broken",
        "detail": "2 of 43 awkward texts (5%) are hit: use another",
        "texts": [
            {"text": "a NUL \x00 [here]", "cosine": None},
            {"text": "tutorial and documentation about C++", "cosine": 0.28091},
        ],
    }
    assert as_object(FOUND, VERDICTS[:2])["holds"] is True


def test_without_a_deep_check_the_facts_stand_alone() -> None:
    assert as_object(FOUND) == {
        "endpoint": "http://one:11434",
        "kind": "server",
        "version": "0.24.0",
        "model": "all-minilm",
        "digest": "d1",
        "dimension": 384,
        "context": 256,
        "context_source": "server",
        "tokenizer": False,
    }
