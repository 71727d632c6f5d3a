"""What a deep check of an endpoint looks like: a verdict a line, or one JSON object."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console

from embed_pipeline.deep_check import PROMISES
from embed_pipeline.engine import Engine
from embed_pipeline.pipelines.printable import escape
from embed_pipeline.verdict import Finding, Verdict

COLORS: dict[Finding, str] = {"holds": "green", "broken": "red", "not known": "yellow"}
FINDING_WIDTH = max(map(len, COLORS))
NAME_WIDTH = max(map(len, PROMISES))
NO_VECTOR = "none"  # in place of a cosine


def report(console: Console, verdicts: Iterable[Verdict]) -> int:
    """Print each verdict as soon as it is known, and how many there are of each kind.

    Returns:
        The exit code: 1 where a promise is broken.
    """
    found = []
    for verdict in verdicts:
        found.append(verdict)
        _print(console, verdict)
    counts = [f"{sum(one.verdict == kind for one in found)} {kind}" for kind in COLORS]
    console.print(f"{len(found)} promises: {', '.join(counts)}", soft_wrap=True)
    return exit_code(found)


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """Return 1 where a promise is broken, else 0."""
    return int(any(one.verdict == "broken" for one in verdicts))


def _print(console: Console, verdict: Verdict) -> None:
    """Print a verdict on a line, and below it the texts that are hit, each after its cosine."""
    color = COLORS[verdict.verdict]
    console.print(
        f"[{color}]{verdict.verdict:<{FINDING_WIDTH}}[/{color}]  "
        f"[bold]{verdict.name:<{NAME_WIDTH}}[/bold]  {escape(_line(verdict.detail))}",
        soft_wrap=True,
    )
    for text, cosine in verdict.cases:
        shown = NO_VECTOR if cosine is None else f"{cosine:.3f}"
        console.print(f"{shown:>{FINDING_WIDTH}}  {escape(repr(text))}", soft_wrap=True)


def _line(text: str) -> str:
    return " ".join(text.split())


def as_object(found: Engine, verdicts: Iterable[Verdict] | None = None) -> dict[str, Any]:
    """Return what is known of an endpoint, fit for JSON; with verdicts, where there are any.

    Args:
        found: The facts.
        verdicts: Of a deep check, or None where there was none.
    """
    facts: dict[str, Any] = {
        "endpoint": found.url,
        "kind": found.kind,
        "version": found.version,
        "model": found.model,
        "digest": found.digest,
        "dimension": found.dimension,
        "context": found.limits.context,
        "context_source": found.limits.context_source,
        "tokenizer": found.limits.tokenizer is not None,
    }
    if verdicts is None:
        return facts
    listed = list(verdicts)
    facts["holds"] = exit_code(listed) == 0
    facts["verdicts"] = [_verdict(one) for one in listed]
    return facts


def _verdict(one: Verdict) -> dict[str, Any]:
    texts = [case._asdict() for case in one.cases]
    return {"name": one.name, "verdict": one.verdict, "detail": one.detail, "texts": texts}
