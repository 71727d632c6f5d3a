"""What a plan looks like on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from embed_pipeline.pipelines.pairs import print_pairs

Plan = Mapping[str, Any]
FATE = {"truncate": "cut", "chunk": "split", "fail": "refused"}
SOURCE = {"server": "", "probed": ", found by asking", "assumed": ", which is assumed"}


def print_plan(console: Console, plan: Plan) -> None:
    """Print a plan: what there is to do, the rates, and what to expect."""
    print_pairs(console, _work(plan))
    console.print()
    console.print(_rates(plan))
    console.print()
    print_pairs(console, _expected(plan))


def _work(plan: Plan) -> list[tuple[str, str]]:
    texts, tokens = plan["texts"]["value"], plan["tokens"]["value"]
    how = "counted here" if plan["tokens_counted"] else "as the endpoint counts"
    each = f"{tokens / texts:,.0f} a text, {how}" if texts else how
    sampled = f"{plan['sampled_documents']:,} of them sampled"
    pairs = [("documents", f"{_number(plan['documents'])}, {sampled}")]
    if round(plan["failed"]):
        pairs.append(("failures", f"about {_rounded(plan['failed'])}"))
    if plan["on_too_long"] == "chunk":
        pairs.append(("pieces", _number(plan["texts"])))
    endpoint = plan["endpoint"]
    return [
        *pairs,
        ("tokens", f"{_number(plan['tokens'])}, {each}"),
        ("too long", _too_long(plan)),
        ("endpoint", f"{endpoint['url']} {endpoint['version']}".strip()),
    ]


def _too_long(plan: Plan) -> str:
    context = f"{plan['limits']['context']:,} tokens{SOURCE[plan['limits']['context_source']]}"
    if plan["too_long"] is None:
        return f"it is not known which texts are; the model reads {context}"
    fate = FATE[plan["on_too_long"]]
    return f"{plan['too_long']:.1%} of the documents are {fate}; the model reads {context}"


def _rates(plan: Plan) -> Table:
    """Return what was measured."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    in_flight = "in_flight" if plan["processes"] == 1 else "in flight of all"
    for name in ("max_texts", in_flight, "texts/s", "tokens/s", "whole run"):
        table.add_column(name, justify="right")
    table.add_column("")
    for rate in plan["rates"]:
        notes = [name for name, key in (("the job's", "own"), ("chosen", "chosen")) if rate[key]]
        table.add_row(
            str(rate["max_texts"]),
            str(rate["in_flight"]),
            _rounded(rate["texts_per_second"]),
            _rounded(rate["tokens_per_second"]),
            duration(rate["seconds"]),
            ", ".join(notes),
            style="bold" if rate["chosen"] else "",
        )
    return table


def _expected(plan: Plan) -> list[tuple[str, str]]:
    own = next(rate for rate in plan["rates"] if rate["own"])
    chosen = next(rate for rate in plan["rates"] if rate["chosen"])
    start = f"{duration(plan['start_seconds'])} of it to start and end"
    if not plan["start_is_local"]:
        start += " here; workers take longer"
    pairs = [("time", f"{_span(own)}, {start}")]
    if own["chosen"]:
        pairs.append(("chosen", "the job's own settings"))
    else:
        settings = plan["chosen"].items()
        flags = " ".join(f"--set job.batching.{name}={value}" for name, value in settings)
        pairs += [("chosen", flags), ("", _span(chosen))]
    return [*pairs, ("size", size(plan["bytes"])), ("workers", _workers(plan))]


def _workers(plan: Plan) -> str:
    """Tell how many workers the endpoint can feed."""
    count, enough = plan["workers"], plan["enough_in_flight"]
    each = f"in_flight {plan['chosen']['in_flight']}"
    if plan["processes"] > 1:
        each = f"{plan['processes']} processes of {each}"
    if plan["enough_was_seen"]:
        return f"{count} with {each}; more than {enough} in flight gain nothing at this endpoint"
    return f"{count} with {each}, or more: more than {enough} in flight were not tried"


def _number(found: Mapping[str, float]) -> str:
    if found["low"] == found["high"]:
        return f"{found['value']:,.0f}"
    low, high = _rounded(found["low"]), _rounded(found["high"])
    return f"about {_rounded(found['value'])} ({low} to {high})"


def _rounded(value: float) -> str:
    """Return a number with three digits that mean something."""
    digits = 3 - len(str(int(value)))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def _span(rate: Mapping[str, float]) -> str:
    low, high = duration(rate["low"]), duration(rate["high"])
    return f"about {duration(rate['seconds'])} ({low} to {high})"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def size(count: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"
