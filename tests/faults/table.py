"""The table of faults and what becomes of a job: the tests run it, docs/faults.md is made of it.

python -m tests.faults.table
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.jobs import corpus_of
from tests.support import fault_kinds as kinds
from tests.support.faulty import Fault, Script

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
DOCUMENTS = 64

POISON = "a text that is poison"
MORE_POISON = (POISON, "another text that is", "and one more of them")
LONG_WORD = "a" * 10_000
TOO_LONG = "word " * 60 + "end"
EVERY_TEXT = tuple(corpus_of(DOCUMENTS).values())


@dataclass(frozen=True)
class Outcome:
    """Say how a job ends.

    Attributes:
        code: Its exit code.
        failed: Kind of failure by text; every other text has its vector.
        keeps: Of a job that stops: whether a rerun uses what was embedded before.
    """

    code: int
    failed: Mapping[str, str] = field(default_factory=dict)
    keeps: bool = True

    @property
    def told(self) -> str:
        """Return it in words."""
        if self.code == 2:
            return "refuses to start (exit code 2)"
        if self.code == 1:
            return f"stops (exit code 1){'' if self.keeps else '; nothing since is used again'}"
        if not self.failed:
            return "publishes; each text has its vector"
        found = " and ".join(sorted({f"`{kind}`" for kind in self.failed.values()}))
        return f"publishes; in `failures/` as {found}, all others have their vector"


PUBLISHED = Outcome(0)
STOPPED = Outcome(1)
STOPPED_IN_DOUBT = Outcome(1, keeps=False)
REFUSED = Outcome(2)


def failing(kind: str, *texts: str) -> Outcome:
    """Return the outcome in which some texts fail, few enough to be allowed."""
    return Outcome(0, dict.fromkeys(texts, kind))


@dataclass(frozen=True)
class Row:
    """Be one row of the table.

    Attributes:
        what: The fault, in words.
        when: When it strikes, in words.
        outcome: How the job ends.
        script: The same for the proxy.
        others: Texts of the corpus beside the usual ones.
        settings: Of the job, beside the usual ones.
        removed: Whether the model is missing from the start.
        context: Tokens the endpoint reads.
    """

    what: str
    when: str
    outcome: Outcome
    script: Script = ()
    others: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    removed: bool = False
    context: int = 256

    @property
    def name(self) -> str:
        """Return what a test's report calls it."""
        return f"{self.what}, {self.when}"

    @property
    def corpus(self) -> dict[str, str]:
        """Return the corpus: text by id, the awkward ones in the middle."""
        usual = list(corpus_of(DOCUMENTS - len(self.others)).items())
        awkward = [(f"x{place}", text) for place, text in enumerate(self.others)]
        middle = len(usual) // 2
        return dict(usual[:middle] + awkward + usual[middle:])


ONCE, STORM, EVER, START = (
    "one request",
    "request after request",
    "for ever, from mid-run on",
    "from the start",
)
HURRIED: Mapping[str, Mapping[str, Any]] = {
    "retry": {"attempts": 2, "total_seconds": 2, "stalled_seconds": 2}
}


def once(fault: Fault) -> Row:
    """Strike one request in mid-run."""
    return Row(fault.name, ONCE, PUBLISHED, (fault.at(3),))


def storm(fault: Fault, *numbers: int) -> Row:
    """Strike several requests in a row."""
    return Row(fault.name, STORM, PUBLISHED, (fault.at(*numbers),))


def ever(fault: Fault, outcome: Outcome = STOPPED) -> Row:
    """Strike from a request in mid-run on."""
    return Row(fault.name, EVER, outcome, (fault.since(5),), settings=HURRIED)


def start(fault: Fault) -> Row:
    """Strike every request that embeds."""
    return Row(fault.name, START, STOPPED, (fault.always(),), settings=HURRIED)


def poison(fault: Fault, kind: str, *texts: str) -> Row:
    """Strike each request that holds certain texts."""
    texts = texts or (POISON,)
    when = "whenever a text is in the request" if len(texts) == 1 else f"for {len(texts)} texts"
    return Row(fault.name, when, failing(kind, *texts), (fault.on(*texts),), texts)


ROWS = (
    *(once(fault) for fault in kinds.PASSING),
    Row(
        "400 in every form of a crashed model's process",
        "one request each, one after the other",
        PUBLISHED,
        tuple(fault.at(3 + place) for place, fault in enumerate(kinds.CRASHED_AS)),
    ),
    storm(kinds.REFUSED, 3, 6, 9),
    storm(kinds.RESET, 3, 4, 5, 6, 7),
    storm(kinds.CUT_SHORT, 3, 4, 5, 6, 7),
    storm(kinds.STALLED, 3, 4, 5),
    storm(kinds.HTML_502, 3, 4, 5, 6),
    storm(kinds.BUSY, 3, 4, 5, 6, 7, 8),
    storm(kinds.NOT_LOADED, 3, 4, 5, 6),
    storm(kinds.CRASHED, 3, 4, 5, 6, 7, 8, 9),
    storm(kinds.ZEROS, 3, 4, 5, 6, 7),
    *(ever(fault) for fault in (kinds.RESET, kinds.CUT_SHORT, kinds.STALLED, kinds.TRICKLED)),
    *(ever(fault) for fault in (kinds.HTML_200, kinds.HTML_502, kinds.ZIPPED_BADLY)),
    *(ever(fault) for fault in (kinds.UNBOUNDED, kinds.EMPTY_BODY, kinds.BUSY, kinds.TOO_MANY)),
    *(ever(fault) for fault in (kinds.NOT_LOADED, kinds.SERVER_FAULT, kinds.CRASHED)),
    *(ever(fault) for fault in (kinds.TOO_FEW, kinds.ZEROS, kinds.NAN, kinds.NULLS, kinds.LONG)),
    *(ever(fault) for fault in (kinds.REDIRECTED, kinds.REMOVED, kinds.UNAUTHORIZED)),
    *(ever(fault) for fault in (kinds.FORBIDDEN, kinds.CANNOT, kinds.REJECTED)),
    ever(kinds.OTHER_DIMENSION, STOPPED_IN_DOUBT),
    ever(kinds.SWAPPED, STOPPED_IN_DOUBT),
    ever(kinds.REPLACED, STOPPED_IN_DOUBT),
    Row(
        kinds.RESTARTED_WITH_ANOTHER.name,
        "in mid-run",
        STOPPED_IN_DOUBT,
        (kinds.RESTARTED_WITH_ANOTHER.at(5),),
    ),
    Row(
        "another digest in the model list",
        "and back again between two looks: nobody can tell",
        PUBLISHED,
        (kinds.SWAPPED.at(3), kinds.SWAPPED_BACK.at(5)),
    ),
    *(start(fault) for fault in (kinds.RESET, kinds.STALLED, kinds.HTML_200, kinds.BUSY)),
    *(start(fault) for fault in (kinds.ZEROS, kinds.NAN_500, kinds.UNAUTHORIZED, kinds.CANNOT)),
    Row("the model is not there", START, REFUSED, removed=True),
    poison(kinds.CRASHED, "RunnerCrashed"),
    poison(kinds.CRASHED, "RunnerCrashed", *MORE_POISON),
    poison(kinds.RESET, "ConnectionLost"),
    poison(kinds.CUT_SHORT, "ConnectionLost"),
    poison(kinds.STALLED, "RequestTimedOut"),
    poison(kinds.STALLED, "RequestTimedOut", *MORE_POISON),
    poison(kinds.STALLED_IN_RESPONSE, "RequestTimedOut"),
    poison(kinds.NAN_500, "VectorNotFinite"),
    poison(kinds.NAN, "VectorNotFinite", *MORE_POISON),
    poison(kinds.INFINITY, "VectorNotFinite"),
    poison(kinds.NULLS, "VectorNotFinite"),
    poison(kinds.ZEROS, "WrongAnswer"),
    poison(kinds.LONG, "WrongAnswer"),
    poison(kinds.TOO_FEW, "WrongAnswer"),
    poison(kinds.TOO_MANY_VECTORS, "WrongAnswer"),
    poison(kinds.NO_VECTORS, "WrongAnswer"),
    poison(kinds.SERVER_FAULT, "ServerFault"),
    Row(
        kinds.CRASHED.name,
        "for every text of the corpus, though not for others",
        STOPPED,
        (kinds.CRASHED.on(*EVERY_TEXT),),
        settings={**HURRIED, "batching": {"max_texts": 2}},
    ),
    Row(
        "a word of 10,000 letters on which the endpoint hangs",
        "whenever it is in the request",
        failing("RequestTimedOut", LONG_WORD),
        (kinds.STALLED.on(LONG_WORD),),
        (LONG_WORD,),
    ),
    Row(
        "a word of 10,000 letters",
        "in the corpus",
        PUBLISHED,
        (),
        (LONG_WORD,),
    ),
    Row(
        "a text that is too long, with `tokens.on_too_long: fail`",
        "in the corpus",
        failing("TextTooLong", TOO_LONG),
        (),
        (TOO_LONG,),
        {"tokens": {"on_too_long": "fail"}},
        context=40,
    ),
    Row("a text that is too long", "in the corpus", PUBLISHED, (), (TOO_LONG,), context=40),
    Row(
        kinds.REFUSES_TO_CUT.name,
        "in the corpus",
        PUBLISHED,
        (kinds.REFUSES_TO_CUT.always(),),
        (TOO_LONG,),
        context=40,
    ),
    Row(
        "any of the faults that pass",
        "three requests of ten, at random",
        PUBLISHED,
        tuple(fault.drawn(0.01, place) for place, fault in enumerate(kinds.PASSING)),
    ),
)


def document() -> str:
    """Return the text of docs/faults.md."""
    lines = [f"| {row.what} | {row.when} | {row.outcome.told} |" for row in ROWS]
    return "\n".join([INTRODUCTION, *lines, ""])


INTRODUCTION = """# Faults

What becomes of a job when its endpoint fails. Each row is a test in [tests/faults](../tests/faults)
and a real run against an endpoint behind a proxy that fails just so. `python -m tests.faults.table`
writes this file.

After each run one checker looks from outside
([tests/support/promise.py](../tests/support/promise.py)); `make soak` uses the same one:

- A job that publishes has every document once, in `data/` or in `failures/`. Each vector is within
  1e-5 of what the healthy endpoint gives for that text; each failure is that of a text the fault
  belongs to.
- A job that stops shows no dataset. Run again it completes, and sends no text again whose row was
  kept.
- No request is repeated after an answer that no repetition can change.

| What befalls the endpoint | When | The job |
|---|---|---|"""


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
